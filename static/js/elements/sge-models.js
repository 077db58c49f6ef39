// The menu of models: description, accuracy and state of each, with buttons to use it or to compare with it.

import { models, RequestError } from "../api.js";
import { make } from "../dom.js";
import { number } from "../format.js";
import { baseline, tunedCounterpart } from "../state/models.js";
import { store } from "../state/store.js";
import { rovingFocus } from "./roving-focus.js";
import { StoreElement } from "./store-element.js";

const POLL_MS = 1500;
const GATES = {
  inactive: "SGE inserted, gates inactive",
  tuned: "SGE inserted, gates tuned",
  trained: "trained with SGE",
  none: "another attention module than SGE",
};

class Models extends StoreElement {
  static keys = ["images", "current", "model", "compare"];

  build() {
    this.models = [];
    this.name = make("b", {});
    this.button = make("button", { type: "button", popovertarget: "models", "aria-haspopup": "dialog", title: "Models of this service" }, this.name);
    this.list = make("ul", { class: "model-list" });
    this.menu = make("div", { id: "models", class: "models", popover: true, role: "dialog", "aria-label": "Models" }, make("h2", {}, "Models"), this.list);
    this.menu.addEventListener("beforetoggle", ({ newState }) => newState === "open" && this.setPosition());
    this.menu.addEventListener("toggle", ({ newState }) => (newState === "open" ? this.refresh() : clearTimeout(this.timer)));
    this.roving = rovingFocus(this.list, "button:not(:disabled)");
    this.replaceChildren(this.button, this.menu);
  }

  draw() {
    const model = store.image?.analysis.model;
    // Where the first model cannot be used, another one can be chosen before any image is shown.
    this.hidden = !model && !store.state.images.some(({ status }) => status === "failed");
    if (this.hidden) return;
    this.name.textContent = model?.title ?? "Choose a model";
    if (this.menu.matches(":popover-open")) this.fill();
  }

  /** Puts the menu above or below the button, where there is more room. On a phone, CSS puts it at the bottom edge. */
  setPosition() {
    const { left, top, bottom } = this.button.getBoundingClientRect();
    const above = top > innerHeight - bottom;
    Object.assign(this.menu.style, {
      left: `${Math.max(8, Math.min(left, innerWidth - 468))}px`,
      top: above ? "auto" : `${bottom + 6}px`,
      bottom: above ? `${innerHeight - top + 6}px` : "auto",
      maxHeight: `${(above ? top : innerHeight - bottom) - 16}px`,
    });
  }

  /** Fetches the list, and again while the menu is open and a model is still loading. */
  async refresh() {
    clearTimeout(this.timer);
    try {
      this.models = await models();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.menu.hidePopover();
      store.addError({ text: error.message, retry: () => this.menu.showPopover() });
      return;
    }
    if (!this.menu.matches(":popover-open")) return;
    this.fill();
    if (this.models.some(({ ready, error }) => !ready && !error)) this.timer = setTimeout(() => this.refresh(), POLL_MS);
  }

  /** Draws the list and restores the focus. */
  fill() {
    const used = store.state.model ?? store.image?.analysis.model.name;
    const hadFocus = this.list.contains(document.activeElement);
    const { pressed } = hadFocus ? document.activeElement.dataset : {};
    this.list.replaceChildren(...this.models.map((model) => this.entry(model, used)));
    const buttons = [...this.list.querySelectorAll("button:not(:disabled)")];
    const target = buttons.find(({ dataset }) => dataset.pressed === pressed) ?? buttons.find((button) => button.getAttribute("aria-pressed") === "true") ?? buttons[0];
    if (!target) return;
    this.roving.setTabStop(target);
    // A menu that is filled again, while a model is loading, stays where the visitor has scrolled it.
    target.focus({ preventScroll: hadFocus });
  }

  entry(model, used) {
    const { name, ready } = model;
    const current = name === used;
    const title = this.titleOf(model);
    const use = make(
      "button",
      { type: "button", class: "model", "data-model": name, "data-pressed": `use ${name}`, "aria-pressed": String(current), disabled: !ready, onclick: () => this.use(name) },
      make("span", { class: "model-title" }, make("b", {}, title), ...this.badges(model, current).map((text) => make("span", { class: "badge" }, text))),
      make("span", {}, ready ? model.card.sentence : reason(model)),
      ready ? make("span", { class: "facts" }, facts(model.card)) : null,
      ...(model.card?.notes ?? []).map((text) => make("span", { class: "facts card-note" }, text)),
      ...this.relations(model).map((text) => make("span", { class: "facts" }, text)),
    );
    return make("li", { class: ready ? null : "not-ready" }, use, ready && !current ? this.compareButton(name, title) : null);
  }

  /** The title of a model, with its name where another model has the same title. */
  titleOf({ name, card }) {
    const title = card?.title ?? name;
    const isShared = this.models.some((other) => other.name !== name && other.card?.title === title);
    return isShared ? `${title} (${name})` : title;
  }

  badges(model, current) {
    const badges = { "in use": current, "opens first": model.default, baseline: this.tunedFrom(model) !== null };
    return Object.keys(badges).filter((text) => badges[text]);
  }

  /** The network that was tuned from this one. */
  tunedFrom({ name, ready, card }) {
    return ready && card.gates === "inactive" ? tunedCounterpart(this.models, name) : null;
  }

  /** Why the network opens, and of which network it is the baseline. */
  relations(model) {
    const [tuned, base] = [this.tunedFrom(model), baseline(this.models, model.name)];
    return [
      model.ready && model.default ? model.card.opens_service : null,
      tuned && `The baseline of \u201c${tuned.card.title}\u201d: the same network with gates that do not act, so that its masks are constant.`,
      base && `Its baseline: \u201c${base.card.title}\u201d, ${accuracy(base.card)}.`,
    ].filter(Boolean);
  }

  compareButton(name, title) {
    const on = store.state.compare === name;
    return make(
      "button",
      { type: "button", "data-compare": name, "data-pressed": `compare ${name}`, "aria-pressed": String(on), "aria-label": on ? "Stop comparing" : `Compare with ${title}`, onclick: () => this.compare(on ? null : name) },
      on ? "Stop comparing" : "Compare with",
    );
  }

  use(name) {
    this.menu.hidePopover();
    store.set({ model: name, compare: store.state.compare === name ? null : store.state.compare });
  }

  compare(name) {
    this.menu.hidePopover();
    store.set({ compare: name });
  }
}

function reason({ error }) {
  return error ? `Could not be loaded: ${error}` : "Still loading; it can be chosen when it is ready.";
}

/** The measured accuracy, the set it was measured on, and the kind of gates. */
function facts(card) {
  const [best] = card.accuracy ?? [];
  const measured = best ? `Top-1 accuracy ${percentOf(best)} on ${best.set}` : "Accuracy not measured";
  return `${measured}; ${GATES[card.gates] ?? card.gates}.`;
}

function accuracy({ accuracy: measured }) {
  return measured?.[0] ? `top-1 accuracy ${percentOf(measured[0])}` : "accuracy not measured";
}

const percentOf = ({ top1 }) => `${number(100 * top1, 1)} %`;

customElements.define("sge-models", Models);
