// The filmstrip: thumbnails of the samples and of the images of this visit. It is a single tab stop; arrow keys move in it.

import { make } from "../dom.js";
import { remove, show } from "../state/images.js";
import { store } from "../state/store.js";
import { rovingFocus } from "./roving-focus.js";
import { StoreElement } from "./store-element.js";

const REMOVE_KEYS = ["Delete", "Backspace"];

class Filmstrip extends StoreElement {
  static keys = ["images", "current", "requested"];

  build() {
    this.list = make("div", { class: "filmstrip", role: "group", "aria-label": "Samples, and images of this visit" });
    this.cells = new Map();
    this.list.addEventListener("keydown", (event) => this.handleKey(event));
    this.roving = rovingFocus(this.list, ".thumb", (thumb) => show(thumb.dataset.key));
    this.replaceChildren(make("sge-queue", { class: "strip-head" }), this.list);
  }

  draw() {
    const { images, requested } = store.state;
    const keys = new Set(images.map(({ key }) => key));
    const hadFocus = this.list.contains(document.activeElement);
    for (const [key, cell] of this.cells) if (!keys.has(key) && this.cells.delete(key)) cell.root.remove();
    for (const entry of images) this.update(this.cells.get(entry.key) ?? this.add(entry), entry);
    if (requested === this.scrolledTo && !(hadFocus && !this.list.contains(document.activeElement))) return;
    this.scrolledTo = requested;
    this.scrollTo(this.cells.get(requested ?? store.state.current), hadFocus);
  }

  /** Brings a thumbnail into the middle. It becomes the tab stop, and takes the focus if the filmstrip had it. */
  scrollTo(cell, takesFocus) {
    if (!cell) return;
    // scrollIntoView would scroll the whole page on a phone.
    this.list.scrollLeft = cell.root.offsetLeft - this.list.offsetLeft - (this.list.clientWidth - cell.root.offsetWidth) / 2;
    this.roving.setTabStop(cell.thumb);
    if (takesFocus) cell.thumb.focus({ preventScroll: true });
  }

  add({ key, name, sample }) {
    const thumb = make("button", { type: "button", class: sample ? "thumb sample" : "thumb", "data-key": key, tabindex: "-1", "aria-keyshortcuts": sample ? null : "Delete", onclick: () => show(key) });
    const cross = make("button", { type: "button", class: "remove", tabindex: "-1", "aria-label": `Remove ${name}`, title: `Remove ${name} (Delete)`, onclick: () => remove([key]) }, "\u00d7");
    const root = make("div", { class: sample ? "cell sample" : "cell" }, thumb, sample ? null : cross);
    const cell = { root, thumb };
    this.cells.set(key, cell);
    this.list.append(root);
    return cell;
  }

  update(cell, entry) {
    const { thumb } = cell;
    const { status, thumb: src } = entry;
    const label = labelOf(entry);
    thumb.setAttribute("aria-current", String(entry.key === store.state.current));
    thumb.setAttribute("aria-busy", String(status === "waiting"));
    thumb.dataset.status = status;
    if (cell.label !== label) Object.assign(cell, { label }), thumb.setAttribute("aria-label", label), (thumb.title = label);
    if (cell.src !== src) Object.assign(cell, { src }), thumb.replaceChildren(...(src ? [make("img", { src, alt: "", decoding: "async" })] : []));
  }

  /** Delete removes the focused image of the visitor. Down and up go to its remove button and back. */
  handleKey(event) {
    const cell = event.target.closest(".cell");
    const [thumb, cross] = [cell?.querySelector(".thumb"), cell?.querySelector(".remove")];
    const handled = () => (event.preventDefault(), event.stopImmediatePropagation());
    if (event.target === cross && event.key.startsWith("Arrow")) handled(), thumb.focus();
    else if (!cross) return;
    else if (event.key === "ArrowDown") handled(), cross.focus();
    else if (REMOVE_KEYS.includes(event.key)) handled(), remove([thumb.dataset.key]);
  }
}

/** Name and state of an image, in words. */
function labelOf({ name, sample, status, error, canRetry, facts }) {
  const title = sample ? `${sample.title} (sample)` : name;
  const states = {
    failed: () => `failed: ${error}${canRetry ? " Open it for Retry." : ""}`,
    waiting: () => "being analysed",
    new: () => (sample ? null : "not analysed yet"),
    ready: () => facts.found,
  };
  const state = states[status]();
  return state ? `${title}, ${state}` : title;
}

customElements.define("sge-filmstrip", Filmstrip);
