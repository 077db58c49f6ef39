// The models of the service: what each knows and how well, whether it is ready, and which one is used or compared with.

import { models, Refusal } from "./api.js";
import { make, number } from "./dom.js";
import { rove } from "./roving.js";
import { store, StoreElement } from "./store.js";

const ASK_AGAIN_MS = 1500;
const GATES = {
  inserted: "SGE inserted, gates asleep",
  awake: "SGE inserted, gates awake",
  trained: "trained with SGE",
  none: "with another attention than SGE",
};

class Models extends StoreElement {
  static keys = ["pictures", "current", "model", "compare"];

  build() {
    this.listed = [];
    this.name = make("b", {});
    this.button = make("button", { type: "button", popovertarget: "models", "aria-haspopup": "dialog", title: "Models of this service" }, this.name);
    this.list = make("ul", { class: "model-list" });
    this.menu = make("div", { id: "models", class: "models", popover: true, role: "dialog", "aria-label": "Models" }, make("h2", {}, "Models"), this.list);
    this.menu.addEventListener("beforetoggle", ({ newState }) => newState === "open" && this.place());
    this.menu.addEventListener("toggle", ({ newState }) => (newState === "open" ? this.refresh() : clearTimeout(this.timer)));
    this.walk = rove(this.list, "button:not(:disabled)");
    this.replaceChildren(this.button, this.menu);
  }

  draw() {
    const model = store.picture?.analysis.model;
    this.hidden = !model;
    if (!model) return;
    this.name.textContent = model.title;
    if (this.menu.matches(":popover-open")) this.fill();
  }

  /** Above or below the button, wherever there is more room; CSS makes it a sheet on a phone. */
  place() {
    const { left, top, bottom } = this.button.getBoundingClientRect();
    const above = top > innerHeight - bottom;
    Object.assign(this.menu.style, {
      left: `${Math.max(8, Math.min(left, innerWidth - 468))}px`,
      top: above ? "auto" : `${bottom + 6}px`,
      bottom: above ? `${innerHeight - top + 6}px` : "auto",
      maxHeight: `${(above ? top : innerHeight - bottom) - 16}px`,
    });
  }

  /** Asks anew while the menu is open and a model is still loading. */
  async refresh() {
    clearTimeout(this.timer);
    try {
      this.listed = await models();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.menu.hidePopover();
      store.set({ errors: [error.message] });
      return;
    }
    if (!this.menu.matches(":popover-open")) return;
    this.fill();
    if (this.listed.some(({ ready, error }) => !ready && !error)) this.timer = setTimeout(() => this.refresh(), ASK_AGAIN_MS);
  }

  fill() {
    const used = store.state.model ?? store.picture?.analysis.model.name;
    const { pressed } = this.list.contains(document.activeElement) ? document.activeElement.dataset : {};
    this.list.replaceChildren(...this.listed.map((model) => this.entry(model, used)));
    const buttons = [...this.list.querySelectorAll("button:not(:disabled)")];
    const goal = buttons.find((one) => one.dataset.pressed === pressed) ?? buttons.find((one) => one.getAttribute("aria-pressed") === "true") ?? buttons[0];
    if (!goal) return;
    this.walk.settle(goal);
    goal.focus();
  }

  entry(model, used) {
    const { name, ready } = model;
    const current = name === used;
    const title = model.card?.title ?? name;
    const use = make(
      "button",
      { type: "button", class: "model", "data-model": name, "data-pressed": `use ${name}`, "aria-pressed": String(current), disabled: !ready, onclick: () => this.use(name) },
      make("b", {}, title),
      make("span", {}, ready ? model.card.sentence : reason(model)),
      ready ? make("span", { class: "facts" }, facts(model.card)) : null,
      ready && model.default && model.card.opens_service ? make("span", { class: "facts" }, model.card.opens_service) : null,
    );
    return make("li", { class: ready ? null : "not-ready" }, use, ready && !current ? this.compareButton(name, title) : null);
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
  return error ? `Could not be loaded: ${error}` : "Still loading; it can be chosen in a moment.";
}

/** How well it knows, on which pictures, and what its gates are. */
function facts({ accuracy, gates }) {
  const best = accuracy?.[0];
  const how = best ? `${number(100 * best.top1, 1)} % right at first guess on ${best.set}` : "Nothing was measured here";
  return `${how}; ${GATES[gates] ?? gates}.`;
}

customElements.define("sge-models", Models);
