// What the page is doing, and notes about what it has done. A screen reader also hears the best class of each image.

import { make } from "../dom.js";
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

  /** Shows the message, or else says the best class; only when the text has changed. */
  announce(message) {
    const best = message ? null : store.image?.analysis.predictions[0];
    const text = best ? `${store.image.name}: ${best.label}, ${Math.round(100 * best.score)} percent` : message;
    if (text === this.text) return;
    this.text = text;
    // The best class is for screen readers only: the list of predictions shows it already.
    this.replaceChildren(...(text ? [make("span", { class: best ? "visually-hidden" : "toast" }, text)] : []));
  }
}

customElements.define("sge-status", Status);
