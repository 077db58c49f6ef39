// Which groups the picture shows, in which colours, between which values, and what the place under the pointer says.

import { PIN_COLOURS } from "./colours.js";
import { groupName, make, number, percent } from "./dom.js";
import { paintBar } from "./glow.js";
import { shadesFor } from "./paint.js";
import { dot, hasFinder, NO_FACE, partsByKind, scores, title } from "./parts.js";
import { cellAt } from "./places.js";
import { StoreElement } from "./store.js";

class Legend extends StoreElement {
  static keys = ["pictures", "current", "hover", "pins", "block", "signal", "colormap", "scale", "opacity", "view", "reading"];

  build() {
    this.dataset.testid = "legend";
    this.bars = [];
  }

  draw(changed) {
    if (!this.store.picture) return;
    if (changed.size > 1 || !changed.has("reading")) this.rebuild();
    this.bars.forEach((bar) => this.read(bar));
  }

  rebuild() {
    const { shown } = this.store;
    const { pins } = this.store.state;
    this.bars = [];
    const head = this.store.view === "parts" ? this.partsHead() : shown.length > 1 ? this.manyHead(shown) : this.oneHead(shown[0]);
    const chips = pins.length > 0 ? [make("div", { class: "chips" }, ...pins.map((pin) => this.chip(pin)))] : [];
    this.replaceChildren(make("div", { class: "now" }, ...head), ...chips);
  }

  /** What was found, in its colours, and how sure that is; with many the list says it shorter. */
  partsHead() {
    const found = partsByKind(this.store.picture.analysis);
    const items = found.map((one) => make("li", {}, dot(one.kind), make("b", {}, title(one)), ` ${scores(one.parts)}`));
    return [make("ul", { class: "parts", "aria-label": "Parts that were found, and how sure that is" }, ...items)];
  }

  oneHead(one) {
    const { analysis } = this.store.picture;
    const facts = `focus ${number(analysis.focus[one.block][one.group])}, ${percent(analysis.contribution[one.block][one.group])} of the block\u2019s output`;
    const faceless = hasFinder(analysis) && analysis.parts.length === 0 && one.why;
    const why = one.why && !faceless ? one.why : this.store.pinOf(one) ? facts : `${facts}; click to pin`;
    const head = faceless ? [make("span", { class: "no-face" }, NO_FACE), " "] : [];
    const caption = make("p", { class: "caption", title: why }, ...head, make("b", {}, groupName(one)), ` ${why}`);
    const atlas = this.store.atlas(one.block);
    if (atlas.isFlat(one.group)) {
      const value = number(atlas.range(one.group)[0]);
      return [caption, make("p", { class: "flat-note" }, `Flat: ${value} everywhere. This gate sleeps, the picture does not move it.`)];
    }
    const [low, high] = atlas.limits(one.group, this.store.state.scale, this.store.signal);
    const words = `${this.store.signal}, ${this.store.state.scale} scale, from ${number(low)} to ${number(high)}`;
    const scale = make(
      "div",
      { class: "scale", role: "img", "aria-label": words, title: words },
      make("span", { class: "scale-name" }, this.store.signal),
      make("span", {}, number(low)),
      this.bar(one, null, low, high),
      make("span", {}, number(high)),
    );
    return [caption, scale];
  }

  manyHead(shown) {
    const clear = make("button", { type: "button", class: "plain", onclick: () => this.store.setPins([]) }, "Clear");
    return [make("p", { class: "caption" }, make("b", {}, `${shown.length} groups`), `, ${this.store.signal}, each in its own colour`), clear];
  }

  chip(pin) {
    const atlas = this.store.atlas(pin.block);
    const there = atlas && pin.group < atlas.groups;
    const remove = make("button", { type: "button", "aria-label": `Remove ${groupName(pin)}`, onclick: () => this.remove(pin) }, "\u00d7");
    const parts = [make("b", {}, groupName(pin))];
    if (!there) parts.push(make("span", { class: "range" }, "not in this model"));
    else if (atlas.isFlat(pin.group)) parts.push(make("span", { class: "range" }, `flat, ${number(atlas.range(pin.group)[0])}`));
    else if (this.store.state.pins.length > 1) {
      // Also while another group is previewed: what is below the picture must not change its height.
      const [low, high] = atlas.limits(pin.group, this.store.state.scale, this.store.signal);
      const bar = this.bar(pin, PIN_COLOURS[pin.slot], low, high);
      parts.push(make("span", { class: "range" }, number(low)), bar, make("span", { class: "range" }, number(high)));
    }
    return make("span", { class: "chip" }, this.dot(pin), ...parts, remove);
  }

  /** In the pin's colour, also while the picture has the colour map: the wall's frame has it too. */
  dot(pin) {
    const dot = make("span", { class: "dot", "aria-hidden": "true" });
    dot.style.background = PIN_COLOURS[pin.slot];
    return dot;
  }

  bar(one, colour, low, high) {
    const canvas = make("canvas", { "aria-hidden": "true" });
    paintBar(canvas, shadesFor(this.store, colour));
    const needle = make("i", { class: "needle", hidden: true });
    this.bars.push({ one, low, high, needle });
    return make("span", { class: "colour-bar" }, canvas, needle);
  }

  /** The needle stands at the value of the cell under the pointer. */
  read({ one, low, high, needle }) {
    const { reading } = this.store.state;
    const atlas = this.store.atlas(one.block);
    const cell = reading && atlas && cellAt(this.store.picture.analysis.geometry, atlas, reading);
    needle.hidden = !cell;
    if (!cell) return;
    const value = atlas.value(one.group, cell.row, cell.col);
    const share = high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0;
    needle.style.left = `${100 * share}%`;
    needle.dataset.value = number(value);
  }

  /** The focus goes on to the next pin, not to nowhere. */
  remove(pin) {
    const at = this.store.state.pins.indexOf(pin);
    this.store.togglePin(pin);
    requestAnimationFrame(() => {
      const left = this.querySelectorAll(".chip button");
      left[Math.min(at, left.length - 1)]?.focus();
    });
  }
}

customElements.define("sge-legend", Legend);
