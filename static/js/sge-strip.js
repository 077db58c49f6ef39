// The strip: the samples to begin with, and this visit's pictures.

import { make } from "./dom.js";
import { want } from "./pictures.js";
import { store, StoreElement } from "./store.js";

class Strip extends StoreElement {
  static keys = ["pictures", "current", "wanted"];

  build() {
    this.list = make("div", { class: "strip", role: "group", "aria-label": "Samples, and pictures of this visit" });
    this.thumbs = new Map();
    this.replaceChildren(this.list);
  }

  draw() {
    const { pictures, current, wanted } = store.state;
    const known = new Set(pictures.map(({ key }) => key));
    for (const [key, thumb] of this.thumbs) if (!known.has(key) && this.thumbs.delete(key)) thumb.remove();
    for (const picture of pictures) {
      const thumb = this.thumbs.get(picture.key) ?? this.add(picture);
      thumb.setAttribute("aria-current", String(picture.key === current));
      thumb.setAttribute("aria-busy", String(picture.status === "waiting"));
    }
    if (wanted === this.seen) return;
    this.seen = wanted;
    const thumb = this.thumbs.get(wanted);
    if (!thumb) return;
    // Not scrollIntoView: that would move the whole page on a phone.
    this.list.scrollLeft = thumb.offsetLeft - this.list.offsetLeft - (this.list.clientWidth - thumb.offsetWidth) / 2;
    if (this.contains(document.activeElement)) thumb.focus();
  }

  add({ key, name, thumb: src, sample }) {
    const label = sample ? `${sample.title} (sample)` : name;
    const thumb = make(
      "button",
      { type: "button", class: sample ? "thumb sample" : "thumb", "aria-label": label, title: label, onclick: () => want(key) },
      make("img", { src, alt: "", decoding: "async" }),
    );
    this.thumbs.set(key, thumb);
    this.list.append(thumb);
    return thumb;
  }
}

customElements.define("sge-strip", Strip);
