// Progress, notes and errors, as sentences; the picture on show stays.

import { make } from "./dom.js";
import { store, StoreElement } from "./store.js";

const NOTE_MS = 6000;
const MOST_ERRORS = 3;

class Messages extends StoreElement {
  static keys = ["busy", "note", "errors", "current", "pictures"];

  build() {
    this.alert = make("div", { role: "alert" });
    this.status = make("div", { role: "status", "aria-live": "polite" });
    this.replaceChildren(this.status, this.alert);
  }

  draw(changed) {
    const { busy, note, errors } = store.state;
    document.documentElement.classList.toggle("busy", Boolean(busy));
    if (changed.has("errors")) this.alert.replaceChildren(...(errors.length > 0 ? [this.errorBox(errors)] : []));
    this.tell(busy ?? note, !busy && !note);
    if (!changed.has("note")) return;
    clearTimeout(this.timer);
    if (note) this.timer = setTimeout(() => store.set({ note: null }), NOTE_MS);
  }

  errorBox(errors) {
    const lines = errors.slice(0, MOST_ERRORS).map((text) => make("p", {}, text));
    if (errors.length > MOST_ERRORS) lines.push(make("p", {}, `And ${errors.length - MOST_ERRORS} more.`));
    const close = make("button", { type: "button", "aria-label": "Close", onclick: () => store.set({ errors: [] }) }, "\u00d7");
    return make("div", { class: "toast error" }, make("div", {}, ...lines), close);
  }

  /** Said once, not with every change of something else. */
  tell(text, idle) {
    const best = idle ? store.picture?.analysis.predictions[0] : null;
    const said = best ? `${store.picture.name}: ${best.label}, ${Math.round(100 * best.score)} percent` : text;
    if (said === this.said) return;
    this.said = said;
    // The classes are heard, not seen: the list beside the picture says the same to the eye.
    this.status.replaceChildren(...(said ? [make("p", { class: best ? "visually-hidden" : "toast" }, said)] : []));
  }
}

customElements.define("sge-messages", Messages);
