// Exports: the view as an image, as a report and as a link, the maps, and the code for the same request.

import { masks, RequestError, wholeAnalysis } from "../api.js";
import { make } from "../dom.js";
import { viewImage } from "../drawing/view-image.js";
import { fileOf } from "../state/images.js";
import { analyzeQuery, reportQuery } from "../state/service-requests.js";
import { store } from "../state/store.js";
import { currentLink, reportHash } from "../state/view-link.js";
import { copyText } from "./clipboard.js";
import "./sge-code.js";

const FORMATS = {
  png: ["Image", "PNG of this view, with legend and classes"],
  html: ["Report", "One HTML file that opens without a network"],
  npz: ["npz", "All maps as NumPy arrays, in full precision"],
  safetensors: ["safetensors", "All maps in the safetensors format, in full precision"],
  json: ["JSON", "The whole analysis, with maps in 8 bits"],
};
const REVOKE_DELAY_MS = 10_000;

class Export extends HTMLElement {
  connectedCallback() {
    const button = (attributes, label, action) => make("button", { type: "button", ...attributes, onclick: () => this.reportErrors(action) }, label);
    const downloads = Object.entries(FORMATS).map(([format, [label, title]]) => button({ "data-download": format, title }, label, () => this.download(format)));
    const copy = button({ "data-copy": "image", title: "Copy the view as an image" }, "Copy", () => this.copyImage());
    const link = button({ "data-copy": "link", title: "Copy a link to this view" }, "Copy link", () => copyLink());
    this.replaceChildren(make("h2", {}, "Export"), make("div", { class: "buttons" }, downloads[0], copy, ...downloads.slice(1), link, make("sge-code")));
  }

  get options() {
    return { framing: store.state.framing, model: store.state.model };
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
    const { name } = image;
    const content = {
      png: () => viewImage(),
      json: async () => wholeAnalysis(await fileOf(image), name, analyzeQuery(store)),
      html: async () => wholeAnalysis(await fileOf(image), name, reportQuery(store, reportHash())),
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
}

/** The link of an own image carries the settings only, and the visitor learns it here. */
function copyLink() {
  const rest = store.image.sample ? "" : " It does not contain your image: whoever opens it sees the settings on a sample.";
  return copyText(currentLink(), "The link", null, rest);
}

customElements.define("sge-export", Export);
