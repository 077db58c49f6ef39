// The line above the filmstrip: progress with Stop, Retry for images that failed or were stopped, and removing all own images.

import { make } from "../dom.js";
import { remove, retry, stop, unfinished } from "../state/images.js";
import { store } from "../state/store.js";
import { StoreElement } from "./store-element.js";

class QueueLine extends StoreElement {
  static keys = ["images"];

  build() {
    const button = (attributes, label, action) => make("button", { type: "button", hidden: true, ...attributes, onclick: action }, label);
    this.heading = make("h2", {}, "Samples");
    this.bar = make("progress", { "aria-label": "Images analysed" });
    this.count = make("span", { class: "count" });
    this.stop = button({ title: "Stop analysing; the images stay in the filmstrip" }, "Stop", stop);
    this.retry = button({}, "", () => retry(unfinished().map(({ key }) => key)));
    this.removeAll = button({ class: "plain", title: "Remove all own images" }, "Remove all", () => this.removeOwn());
    this.removeAll.append(make("span", { class: "roomy" }, " own images"));
    this.progress = make("div", { class: "queue-progress", "data-testid": "queue" }, this.bar, this.count, this.stop, this.retry);
    this.replaceChildren(this.heading, this.progress, make("sge-status"), this.removeAll);
  }

  draw() {
    const own = store.state.images.filter(({ sample }) => !sample);
    const count = (wanted) => own.filter(({ status }) => status === wanted).length;
    const [waiting, failed, stopped] = ["waiting", "failed", "new"].map(count);
    this.heading.textContent = own.length > 0 ? "Samples and your images" : "Samples";
    this.toggleAttribute("data-own", own.length > 0);
    this.bar.hidden = waiting === 0 || own.length < 2;
    Object.assign(this.bar, { max: own.length, value: count("ready") });
    this.count.textContent = summary({ all: own.length, ready: count("ready"), waiting, failed, stopped });
    this.show(this.stop, waiting > 0);
    const again = unfinished().length;
    this.show(this.retry, waiting === 0 && again > 0);
    this.retry.textContent = stopped > 0 ? `Continue with ${again}` : `Retry ${again}`;
    this.show(this.removeAll, own.length > 0);
  }

  /** Hides or shows a button; a focus on a button that is hidden goes to the filmstrip. */
  show(button, isShown) {
    const hadFocus = button === document.activeElement;
    button.hidden = !isShown;
    if (hadFocus && !isShown) this.parentElement.querySelector(".thumb[tabindex='0']")?.focus();
  }

  removeOwn() {
    remove(store.state.images.filter(({ sample }) => !sample).map(({ key }) => key));
  }
}

/** `12 of 60 analysed, 2 failed`; nothing where all images are analysed. */
function summary({ all, ready, waiting, failed, stopped }) {
  if (all === 0 || (waiting + failed + stopped === 0 && all < 2)) return "";
  return `${ready} of ${all} analysed${failed > 0 ? `, ${failed} failed` : ""}`;
}

customElements.define("sge-queue", QueueLine);
