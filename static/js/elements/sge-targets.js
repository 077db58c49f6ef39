// For which class effects are shown, and the class that the visitor expected instead: two searches over all classes.

import { labels } from "../api.js";
import { make } from "../dom.js";
import { hasGroups } from "../state/effect.js";
import { chooseTarget, labelOf } from "../state/effect-order.js";
import { Combobox } from "./combobox.js";
import { StoreElement } from "./store-element.js";

// The choices of each model, as promises.
const choicesOf = new Map();

/** All classes of a model, by label. A failure is not kept, so that the next opening asks again. */
function choices(model) {
  if (!choicesOf.has(model)) {
    const asked = labels(model).then((all) => all.map((label, index) => ({ label, index })).sort((a, b) => a.label.localeCompare(b.label)));
    choicesOf.set(model, asked);
    asked.catch(() => choicesOf.delete(model));
  }
  return choicesOf.get(model);
}

class Targets extends StoreElement {
  static keys = ["images", "current", "target", "expected"];

  build() {
    const load = () => choices(this.store.image.analysis.model.name);
    this.target = new Combobox({ label: "Effects on", placeholder: "a class", load, onChoose: (index) => this.choose(index), attributes: { name: `target${this.store.suffix}` } });
    this.expected = new Combobox({ label: "I expected", placeholder: "another class", load, onChoose: (index) => this.expect(index), attributes: { name: `expected${this.store.suffix}` } });
    this.replaceChildren(make("div", { class: "targets" }, this.target.root, this.expected.root));
  }

  draw() {
    const { image, state, target, expected } = this.store;
    this.hidden = !image || state.offline || !hasGroups(image);
    if (this.hidden) return;
    this.target.set(this.name(target), state.target !== null);
    this.expected.set(expected === null ? "" : this.name(expected), expected !== null);
  }

  name(index) {
    const label = labelOf(this.store, index);
    return label === `class ${index}` ? this.picked?.get(index) ?? label : label;
  }

  choose(index) {
    this.remember(index);
    chooseTarget(this.store, index);
  }

  expect(index) {
    this.remember(index);
    this.store.set({ expected: index === this.store.target ? null : index });
  }

  /** Keeps the label of a choice, which the service's answer will name a moment later. */
  async remember(index) {
    if (index === null) return;
    const all = await choices(this.store.image.analysis.model.name);
    this.picked = new Map([...(this.picked ?? []), [index, all.find((choice) => choice.index === index).label]]);
    this.draw();
  }
}

customElements.define("sge-targets", Targets);
