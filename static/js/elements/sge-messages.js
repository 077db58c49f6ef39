// Progress, notes and errors. The current image stays visible while they are shown.

import { make } from "../dom.js";
import { store } from "../state/store.js";
import { StoreElement } from "./store-element.js";

const NOTE_MS = 6000;
const MAX_ERRORS = 3;

class Messages extends StoreElement {
  static keys = ["busy", "note", "errors", "current", "images"];

  build() {
    this.alert = make("div", { role: "alert" });
    this.status = make("div", { role: "status", "aria-live": "polite" });
    this.replaceChildren(this.status, this.alert);
  }

  draw(changed) {
    const { busy, note, errors } = store.state;
    document.documentElement.classList.toggle("busy", Boolean(busy));
    if (changed.has("errors")) this.alert.replaceChildren(...(errors.length > 0 ? [this.errorBox(errors)] : []));
    this.announce(busy ?? note);
    if (!changed.has("note")) return;
    clearTimeout(this.timer);
    if (note) this.timer = setTimeout(() => store.set({ note: null }), NOTE_MS);
  }

  errorBox(errors) {
    const lines = errors.slice(0, MAX_ERRORS).map((text) => make("p", {}, text));
    if (errors.length > MAX_ERRORS) lines.push(make("p", {}, `And ${errors.length - MAX_ERRORS} more.`));
    const close = make("button", { type: "button", "aria-label": "Close", onclick: () => store.set({ errors: [] }) }, "\u00d7");
    return make("div", { class: "toast error" }, make("div", {}, ...lines), close);
  }

  /** Puts the message, or else the top class, into the status region; only when the text has changed. */
  announce(message) {
    const best = message ? null : store.image?.analysis.predictions[0];
    const text = best ? `${store.image.name}: ${best.label}, ${Math.round(100 * best.score)} percent` : message;
    if (text === this.text) return;
    this.text = text;
    // The top class is for screen readers only: the list of predictions shows it already.
    this.status.replaceChildren(...(text ? [make("p", { class: best ? "visually-hidden" : "toast" }, text)] : []));
  }
}

customElements.define("sge-messages", Messages);
