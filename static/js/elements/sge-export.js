// Exports: the view as an image, the masks, the report, and the shell command for the same request.

import { curlLine, masks, report, RequestError } from "../api.js";
import { make } from "../dom.js";
import { viewImage } from "../drawing/view-image.js";
import { fileOf } from "../state/images.js";
import { store } from "../state/store.js";
import { StoreElement } from "./store-element.js";

const FORMATS = {
  png: ["Image", "PNG of this view, with legend and classes"],
  html: ["Report", "One HTML file that opens without a network"],
  npz: ["npz", "All maps as NumPy arrays, in full precision"],
  safetensors: ["safetensors", "All maps in the safetensors format, in full precision"],
  json: ["JSON", "The whole analysis, with maps in 8 bits"],
};
const REVOKE_DELAY_MS = 10_000;

class Export extends StoreElement {
  static keys = ["images", "current", "framing", "model"];

  build() {
    const button = (attributes, label, action) => make("button", { type: "button", ...attributes, onclick: () => this.reportErrors(action) }, label);
    const downloads = Object.entries(FORMATS).map(([format, [label, title]]) => button({ "data-download": format, title }, label, () => this.download(format)));
    const copy = button({ "data-copy": "image", title: "Copy the view as an image" }, "Copy", () => this.copyImage());
    this.line = make("code", { "data-testid": "curl", tabindex: "0", "aria-label": "Shell command for the same request" });
    const copyLine = button({ "data-copy": "curl", class: "plain", title: "Copy this line" }, "Copy line", () => this.copyLine());
    this.replaceChildren(
      make("h2", {}, "Export"),
      make("div", { class: "buttons" }, downloads[0], copy, ...downloads.slice(1)),
      make("div", { class: "curl" }, this.line, copyLine),
    );
  }

  get options() {
    return { framing: store.state.framing, model: store.state.model };
  }

  draw() {
    if (store.image) this.line.textContent = curlLine(store.image.name, this.options);
  }

  async reportErrors(action) {
    try {
      await action();
    } catch (error) {
      const text = error instanceof RequestError ? error.message : "The browser did not allow this. Try the download instead.";
      store.set({ errors: [text] });
    }
  }

  async download(format) {
    const { image } = store;
    const { name, analysis } = image;
    const content = {
      png: () => viewImage(),
      json: () => new Blob([JSON.stringify(analysis)], { type: "application/json" }),
      html: async () => report(await fileOf(image), name, this.options),
      npz: async () => masks(await fileOf(image), name, this.options, "npz", store.signal),
      safetensors: async () => masks(await fileOf(image), name, this.options, "safetensors", store.signal),
    };
    const url = URL.createObjectURL(await content[format]());
    const file = `${name.replace(/\.[^.]+$/, "")}.sge.${format}`;
    make("a", { href: url, download: file }).click();
    setTimeout(() => URL.revokeObjectURL(url), REVOKE_DELAY_MS);
    store.set({ note: `${file} was saved.` });
  }

  async copyImage() {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": viewImage() })]);
    store.set({ note: "The view was copied." });
  }

  /** Scripts may write to the clipboard only over https; elsewhere the text is selected for copying by keyboard. */
  async copyLine() {
    try {
      await navigator.clipboard.writeText(this.line.textContent);
      store.set({ note: "The line was copied." });
    } catch {
      getSelection().selectAllChildren(this.line);
      store.set({ note: "The line is selected; copy it with the keyboard." });
    }
  }
}

customElements.define("sge-export", Export);
