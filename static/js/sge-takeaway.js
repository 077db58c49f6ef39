// Take it with you: the view, the masks, a report, and the request itself.

import { curlLine, masks, Refusal, report } from "./api.js";
import { make } from "./dom.js";
import { blobOf } from "./pictures.js";
import { store, StoreElement } from "./store.js";
import { viewImage } from "./view-image.js";

const KINDS = {
  png: ["Picture", "PNG of this view"],
  html: ["Report", "one HTML file that opens anywhere"],
  npz: ["npz", "maps for numpy"],
  safetensors: ["safetensors", "the same, without pickle"],
  json: ["JSON", "everything, maps in 8 bits"],
};

class Takeaway extends StoreElement {
  static keys = ["pictures", "current", "framing", "model"];

  build() {
    const buttons = Object.entries(KINDS).map(([kind, [label, title]]) =>
      make("button", { type: "button", "data-download": kind, title, onclick: () => this.guarded(() => this.download(kind)) }, label),
    );
    const copy = make("button", { type: "button", "data-copy": "picture", title: "Copy the view as a picture", onclick: () => this.guarded(() => this.copyPicture()) }, "Copy");
    this.line = make("code", { "data-testid": "curl" });
    const copyLine = make("button", { type: "button", class: "plain", "data-copy": "curl", onclick: () => this.guarded(() => this.copyText()) }, "Copy line");
    this.replaceChildren(
      make("h2", {}, "Take it with you"),
      make("div", { class: "buttons" }, buttons[0], copy, ...buttons.slice(1)),
      make("div", { class: "curl" }, this.line, copyLine),
    );
  }

  get choice() {
    return { framing: store.state.framing, model: store.state.model };
  }

  draw() {
    if (store.picture) this.line.textContent = curlLine(store.picture.name, this.choice);
  }

  async guarded(work) {
    try {
      await work();
    } catch (error) {
      const text = error instanceof Refusal ? error.message : "The browser did not allow that. Try the download instead.";
      store.set({ message: { kind: "error", text } });
    }
  }

  async download(kind) {
    const { picture } = store;
    const content = {
      png: () => viewImage(),
      json: () => new Blob([JSON.stringify(picture.analysis)], { type: "application/json" }),
      html: async () => report(await blobOf(picture), picture.name, this.choice),
      npz: async () => masks(await blobOf(picture), picture.name, this.choice, "npz", store.signal),
      safetensors: async () => masks(await blobOf(picture), picture.name, this.choice, "safetensors", store.signal),
    };
    const url = URL.createObjectURL(await content[kind]());
    const stem = picture.name.replace(/\.[^.]+$/, "");
    make("a", { href: url, download: `${stem}.sge.${kind}` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    store.set({ message: { kind: "note", text: `${stem}.sge.${kind} was saved.` } });
  }

  async copyPicture() {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": viewImage() })]);
    store.set({ message: { kind: "note", text: "The view was copied." } });
  }

  async copyText() {
    await navigator.clipboard.writeText(this.line.textContent);
    store.set({ message: { kind: "note", text: "The line was copied." } });
  }
}

customElements.define("sge-takeaway", Takeaway);
