// The title of the model above its image during a comparison, with a button that ends the comparison.

import { make } from "../dom.js";
import { store } from "../state/store.js";
import { StoreElement } from "./store-element.js";

class ModelName extends StoreElement {
  static keys = ["images", "current"];

  build() {
    this.name = make("b", {});
    const leave = make("button", { type: "button", title: "Leave the comparison (Esc)", onclick: () => store.set({ compare: null }) }, "Leave", make("span", { class: "roomy" }, " comparison"));
    this.replaceChildren(this.name, ...(this.store === store ? [] : [leave]));
  }

  draw() {
    this.name.textContent = this.store.image?.analysis.model.title ?? "";
  }
}

customElements.define("sge-model-name", ModelName);
