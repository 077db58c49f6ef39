// What the page is doing, and notes about what it has done. A screen reader also hears what was found in each image.

import { make } from "../dom.js";
import { foundInWords } from "../state/boxes.js";
import { store } from "../state/store.js";
import { StoreElement } from "./store-element.js";

const NOTE_MS = 6000;

class Status extends StoreElement {
  static keys = ["busy", "note", "current", "images"];

  build() {
    this.setAttribute("role", "status");
    this.setAttribute("aria-live", "polite");
  }

  draw(changed) {
    const { busy, note } = store.state;
    document.documentElement.classList.toggle("busy", Boolean(busy));
    this.announce(busy ?? note);
    if (!changed.has("note")) return;
    clearTimeout(this.timer);
    if (note) this.timer = setTimeout(() => store.set({ note: null }), NOTE_MS);
  }

  /** Shows the message, or else says what was found; only when the text has changed. */
  announce(message) {
    const isFound = !message && store.image !== null;
    const text = isFound ? `${store.image.name}: ${foundInWords(store.image.analysis).replaceAll("%", "percent")}` : message;
    if (text === this.text) return;
    this.text = text;
    // What was found is for screen readers only: the list of predictions shows it already.
    this.replaceChildren(...(text ? [make("span", { class: isFound ? "visually-hidden" : "toast" }, text)] : []));
  }
}

customElements.define("sge-status", Status);
