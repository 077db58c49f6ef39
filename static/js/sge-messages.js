// Progress, notes and errors, as sentences; the picture on show stays.

import { make } from "./dom.js";
import { store, StoreElement } from "./store.js";

const NOTE_MS = 6000;

class Messages extends StoreElement {
  static keys = ["busy", "message", "current", "pictures"];

  build() {
    this.alert = make("div", { role: "alert" });
    this.status = make("div", { role: "status", "aria-live": "polite" });
    this.replaceChildren(this.status, this.alert);
  }

  draw() {
    const { busy, message } = store.state;
    document.documentElement.classList.toggle("busy", Boolean(busy));
    this.status.replaceChildren(...this.statusParts(busy, message));
    const wrong = message?.kind === "error";
    const close = make("button", { type: "button", "aria-label": "Close", onclick: () => store.set({ message: null }) }, "\u00d7");
    this.alert.replaceChildren(...(wrong ? [make("p", { class: "toast error" }, make("span", {}, message.text), close)] : []));
    clearTimeout(this.timer);
    if (message?.kind === "note") this.timer = setTimeout(() => store.set({ message: null }), NOTE_MS);
  }

  statusParts(busy, message) {
    if (busy) return [make("p", { class: "toast" }, `Looking at ${busy} \u2026`)];
    if (message?.kind === "note") return [make("p", { class: "toast" }, message.text)];
    const best = store.picture?.analysis.predictions[0];
    // Heard, not seen: the list of classes beside it says the same to the eye.
    return best ? [make("p", { class: "visually-hidden" }, `${store.picture.name}: ${best.label}, ${Math.round(100 * best.score)} percent`)] : [];
  }
}

customElements.define("sge-messages", Messages);
