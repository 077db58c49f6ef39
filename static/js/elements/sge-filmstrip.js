// The filmstrip: thumbnails of the samples and of the images of this visit.

import { make } from "../dom.js";
import { show } from "../state/images.js";
import { store } from "../state/store.js";
import { StoreElement } from "./store-element.js";

class Filmstrip extends StoreElement {
  static keys = ["images", "current", "requested"];

  build() {
    this.list = make("div", { class: "filmstrip", role: "group", "aria-label": "Samples, and images of this visit" });
    this.thumbs = new Map();
    this.replaceChildren(this.list);
  }

  draw() {
    const { images, current, requested } = store.state;
    const keys = new Set(images.map(({ key }) => key));
    for (const [key, thumb] of this.thumbs) if (!keys.has(key) && this.thumbs.delete(key)) thumb.remove();
    for (const entry of images) {
      const thumb = this.thumbs.get(entry.key) ?? this.add(entry);
      thumb.setAttribute("aria-current", String(entry.key === current));
      thumb.setAttribute("aria-busy", String(entry.status === "waiting"));
    }
    if (requested === this.scrolledTo) return;
    this.scrolledTo = requested;
    const thumb = this.thumbs.get(requested);
    if (!thumb) return;
    // scrollIntoView would scroll the whole page on a phone.
    this.list.scrollLeft = thumb.offsetLeft - this.list.offsetLeft - (this.list.clientWidth - thumb.offsetWidth) / 2;
    if (this.contains(document.activeElement)) thumb.focus();
  }

  add({ key, name, thumb: src, sample }) {
    const label = sample ? `${sample.title} (sample)` : name;
    const thumb = make(
      "button",
      { type: "button", class: sample ? "thumb sample" : "thumb", "aria-label": label, title: label, onclick: () => show(key) },
      make("img", { src, alt: "", decoding: "async" }),
    );
    this.thumbs.set(key, thumb);
    this.list.append(thumb);
    return thumb;
  }
}

customElements.define("sge-filmstrip", Filmstrip);
