// Notes on the image and on the model: what the decoder warned about or assumed, and what a model's file left open.

import { make } from "../dom.js";
import { StoreElement } from "./store-element.js";

class Notes extends StoreElement {
  static keys = ["images", "current"];

  build() {
    this.list = make("ul", { class: "notes", "data-testid": "notes", "aria-label": "Notes on the image and on the model" });
    this.replaceChildren(this.list);
  }

  draw() {
    const { image, model } = this.store.image?.analysis ?? { image: {}, model: {} };
    const notes = [...(image.notes ?? []).map((text) => ["Image", text]), ...(model.notes ?? []).map((text) => ["Model", text])];
    const key = JSON.stringify(notes);
    this.hidden = notes.length === 0;
    if (key === this.key) return;
    this.key = key;
    this.list.replaceChildren(...notes.map(([kind, text]) => make("li", {}, make("b", {}, `${kind}: `), text)));
  }
}

customElements.define("sge-notes", Notes);
