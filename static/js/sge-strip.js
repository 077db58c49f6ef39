// This visit's pictures, and the samples to begin with.

import { make } from "./dom.js";
import { addSample } from "./pictures.js";
import { store, StoreElement } from "./store.js";

class Strip extends StoreElement {
  static keys = ["pictures", "current", "busy"];

  build() {
    this.samples = JSON.parse(this.getAttribute("samples") ?? "[]");
    this.list = make("div", { class: "strip", role: "group", "aria-label": "Pictures of this visit and samples" });
    this.replaceChildren(this.list);
  }

  draw() {
    const { pictures, current } = store.state;
    const opened = new Set(pictures.map((picture) => picture.sample?.id));
    const own = pictures.map((picture, at) => this.thumb(picture, at === current, () => store.set({ current: at, hover: null, point: null })));
    const rest = this.samples
      .filter((sample) => !opened.has(sample.id))
      .map((sample) => this.thumb({ name: sample.title, url: `static/samples/${sample.thumb}`, sample }, false, () => addSample(sample)));
    this.list.replaceChildren(...own, ...rest);
    // Not scrollIntoView: that would move the whole page on a phone.
    const shown = this.list.querySelector("[aria-current=true]");
    if (shown) this.list.scrollLeft = shown.offsetLeft - this.list.clientWidth / 2;
  }

  thumb({ name, url, sample }, current, onclick) {
    const source = sample ? `static/samples/${sample.thumb}` : url;
    const label = sample ? `${sample.title} (sample)` : name;
    return make(
      "button",
      { type: "button", class: sample ? "thumb sample" : "thumb", "aria-current": String(current), "aria-label": label, title: label, onclick },
      make("img", { src: source, alt: "", loading: "lazy", decoding: "async" }),
    );
  }
}

customElements.define("sge-strip", Strip);
