// Take it with you: the view, the masks, a report, and the request itself.

import { curlLine, masks, Refusal, report } from "./api.js";
import { make } from "./dom.js";
import { blobOf } from "./pictures.js";
import { store, StoreElement } from "./store.js";
import { viewImage } from "./view-image.js";

const KINDS = {
  png: ["Picture", "PNG of this view, with legend and classes"],
  html: ["Report", "One HTML file that opens anywhere, without a network"],
  npz: ["npz", "All maps, exactly, for numpy"],
  safetensors: ["safetensors", "The same, for those who want no pickle near"],
  json: ["JSON", "Everything, the maps in 8 bits"],
};

class Takeaway extends StoreElement {
  static keys = ["pictures", "current", "framing", "model"];

  build() {
    const button = (attributes, label, work) => make("button", { type: "button", ...attributes, onclick: () => this.guarded(work) }, label);
    const downloads = Object.entries(KINDS).map(([kind, [label, title]]) => button({ "data-download": kind, title }, label, () => this.download(kind)));
    const copy = button({ "data-copy": "picture", title: "Copy the view as a picture" }, "Copy", () => this.copyPicture());
    this.line = make("code", { "data-testid": "curl", tabindex: "0", "aria-label": "The same request from a shell" });
    const copyLine = button({ "data-copy": "curl", class: "plain", title: "Copy this line" }, "Copy line", () => this.copyText());
    this.replaceChildren(
      make("h2", {}, "Take it with you"),
      make("div", { class: "buttons" }, downloads[0], copy, ...downloads.slice(1)),
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
      store.set({ errors: [text] });
    }
  }

  async download(kind) {
    const { picture } = store;
    const { name, analysis } = picture;
    const content = {
      png: () => viewImage(),
      json: () => new Blob([JSON.stringify(analysis)], { type: "application/json" }),
      html: async () => report(await blobOf(picture), name, this.choice),
      npz: async () => masks(await blobOf(picture), name, this.choice, "npz", store.signal),
      safetensors: async () => masks(await blobOf(picture), name, this.choice, "safetensors", store.signal),
    };
    const url = URL.createObjectURL(await content[kind]());
    const file = `${name.replace(/\.[^.]+$/, "")}.sge.${kind}`;
    make("a", { href: url, download: file }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    store.set({ note: `${file} was saved.` });
  }

  async copyPicture() {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": viewImage() })]);
    store.set({ note: "The view was copied." });
  }

  /** Without https the clipboard is closed to scripts; a selected text can still be copied. */
  async copyText() {
    try {
      await navigator.clipboard.writeText(this.line.textContent);
      store.set({ note: "The line was copied." });
    } catch {
      getSelection().selectAllChildren(this.line);
      store.set({ note: "The line is selected; copy it with the keyboard." });
    }
  }
}

customElements.define("sge-takeaway", Takeaway);
