// Errors, each with Retry where the same request may succeed later. They have a place of their own in the layout.

import { make } from "../dom.js";
import { remove, retry } from "../state/images.js";
import { store } from "../state/store.js";
import { StoreElement } from "./store-element.js";

const MAX_NAMES = 2;

class Messages extends StoreElement {
  static keys = ["errors"];

  build() {
    this.alert = make("div", { role: "alert" });
    this.replaceChildren(this.alert);
    // Where the page scrolls, the image is sticky below the messages.
    new ResizeObserver(() => document.documentElement.style.setProperty("--messages", `${this.offsetHeight}px`)).observe(this);
  }

  draw() {
    const { errors } = store.state;
    const hadFocus = this.contains(document.activeElement);
    this.alert.replaceChildren(...(errors.length > 0 ? [this.box(errors)] : []));
    if (hadFocus) (this.querySelector("button") ?? document.getElementById("image"))?.focus();
  }

  box(errors) {
    const lines = errors.map((error) => line(error.text ? error : { text: error }));
    const list = lines.length > 1 ? make("ul", { class: "errors" }, ...lines.map((children) => make("li", {}, ...children))) : make("div", { class: "errors" }, ...lines[0]);
    const close = make("button", { type: "button", class: "close", "aria-label": "Close", title: "Close the messages (Esc)", onclick: () => store.set({ errors: [] }) }, "\u00d7");
    return make("div", { class: "error-box" }, list, close);
  }
}

/** The sentence of an error, after the names of its images, and its buttons. */
function line({ text, keys, retry: again }) {
  const entries = (keys ?? []).map((key) => store.entry(key)).filter(Boolean);
  const names = namesOf(entries);
  const button = (label, action) => make("button", { type: "button", "aria-label": names ? `${label}: ${names}` : null, onclick: action }, label);
  const drop = () => store.set({ errors: store.state.errors.filter((other) => (other.text ?? other) !== text) });
  const buttons = [];
  if (again) buttons.push(button("Retry", () => (drop(), again())));
  if (entries.length > 0 && entries.every(({ canRetry }) => canRetry)) buttons.push(button("Retry", () => retry(keys)));
  if (entries.length > 0 && entries.every(({ sample }) => !sample)) buttons.push(button("Remove", () => remove(keys)));
  return [make("p", {}, names && make("b", {}, names), names ? `: ${text}` : text), buttons.length > 0 ? make("span", { class: "buttons" }, ...buttons) : null];
}

/** `a.jpg`, `a.jpg and b.jpg`, `a.jpg, b.jpg and 7 more`. */
function namesOf(entries) {
  const names = entries.map(({ name, sample }) => sample?.title ?? name);
  const rest = names.length - MAX_NAMES;
  if (rest > 0) return `${names.slice(0, MAX_NAMES).join(", ")} and ${rest} more`;
  return names.join(" and ");
}

customElements.define("sge-messages", Messages);
