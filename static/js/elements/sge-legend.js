// The legend: the shown groups or parts, their colours and ranges of values, and the value under the pointer.

import { make } from "../dom.js";
import { PIN_COLOURS } from "../drawing/colours.js";
import { paintColourBar } from "../drawing/overlay.js";
import { blendTableFor, DIVERGING, gradCamLimits } from "../drawing/painter.js";
import { digitsBetween, ends, focusAndEnergy, groupName, number, shortGroupName } from "../format.js";
import { differenceOf } from "../state/difference.js";
import { hasGroups } from "../state/effect.js";
import { canLoadMaps } from "../state/maps.js";
import { hasFinder, nothingFound } from "../state/parts.js";
import { cellAt } from "../state/positions.js";
import { isOff } from "../state/switched-off.js";
import { markFace, partList, partsAside } from "./part-list.js";
import { switchOffButton } from "./switch-off-button.js";
import { StoreElement } from "./store-element.js";

// Where the pins will stand; their room is always there, so that pinning moves nothing.
const HINT = "Click a group to pin it here: up to six, each in its own colour.";
// What changes nothing but marks on what is there.
const MARKS = new Set(["pointer", "markedFace"]);

class Legend extends StoreElement {
  static keys = ["images", "current", "hover", "pins", "block", "signal", "colormap", "scale", "opacity", "view", "difference", "pointer", "markedFace", "partsBy", "off", "offMode", "flattened"];

  build() {
    this.dataset.testid = "legend";
    this.bars = [];
  }

  draw(changed) {
    if (!this.store.image) return;
    if ([...changed].some((key) => !MARKS.has(key))) this.rebuild();
    markFace(this, this.store);
    this.bars.forEach((bar) => this.moveNeedle(bar));
  }

  rebuild() {
    const { shown } = this.store;
    const { pins } = this.store.state;
    this.bars = [];
    const head = this.head(shown);
    const chips = pins.length > 0 ? pins.map((pin) => this.chip(pin)) : [this.hasNoParts ? this.noParts() : make("p", { class: "hint" }, HINT)];
    const focused = this.contains(document.activeElement) && document.activeElement.dataset.focus;
    this.replaceChildren(make("div", { class: "now" }, ...head), make("div", { class: "under" }, make("div", { class: "chips" }, ...chips), this.aside()));
    if (focused) this.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  }

  /** Whether the model has a part finder and it found nothing in the image. */
  get hasNoParts() {
    const { analysis } = this.store.image;
    return hasFinder(analysis) && analysis.parts.length === 0;
  }

  /** The finder's sentence; a click shows all of it where there is little room. */
  noParts() {
    const text = nothingFound(this.store.image.analysis);
    return make("button", { type: "button", class: "no-parts", title: text, onclick: () => this.store.set({ note: text }) }, text);
  }

  /** What belongs to the parts. */
  aside() {
    const isParts = this.store.view === "parts" && !differenceOf(this.store);
    return isParts ? make("div", { class: "parts-aside" }, ...partsAside(this.store)) : null;
  }

  head(shown) {
    const difference = differenceOf(this.store);
    if (difference) return this.differenceHead(difference);
    if (this.store.view === "parts") return [partList(this.store)];
    if (this.store.view === "gradcam") return this.gradCamHead();
    return shown.length > 1 ? this.pinsHead(shown) : this.groupHead(shown[0]);
  }

  /** The class and the layer of Grad-CAM, with its colour bar. */
  gradCamHead() {
    const { attribution, gradCam } = this.store.image;
    const [low, high] = gradCamLimits(gradCam);
    const text = `Grad-CAM at ${attribution.grad_cam.layer}`;
    const caption = make("p", { class: "caption", title: `${attribution.target.label}, ${text}` }, make("b", {}, attribution.target.label), ` ${text}`);
    if (high === 0) return [caption, make("p", { class: "flat-note" }, "Zero everywhere: no position raises this class.")];
    return [caption, this.scale("Grad-CAM", `Grad-CAM, from ${ends(low, high).join(" to ")}`, null, low, high)];
  }

  /** The group whose difference between two models is shown, with its symmetric colour bar. */
  differenceHead(difference) {
    const { limit, group } = difference;
    const { signal } = this.store;
    const caption = make("p", { class: "caption" }, make("b", {}, groupName(group)), ` ${signal}, second minus first model`);
    if (limit === 0) return [caption, make("p", { class: "flat-note" }, "No difference: both maps are the same.")];
    const words = `${signal} of the second model minus that of the first, from ${ends(-limit, limit).join(" to ")}`;
    return [caption, this.scale("difference", words, group, -limit, limit, { colour: DIVERGING, atlas: difference })];
  }

  groupHead(group) {
    const { analysis } = this.store.image;
    const facts = focusAndEnergy(analysis, group);
    const text = group.reason ?? (this.store.pinOf(group) ? facts : `${facts}; click to pin`);
    // The block comes first, so that it can be read where the line is cut off.
    const caption = make("p", { class: "caption", title: text }, make("b", {}, groupName(group)), " ", text);
    const atlas = this.store.atlas(group.block);
    if (atlas.isFlat(group.group)) {
      const value = number(atlas.range(group.group)[0]);
      return [caption, make("p", { class: "flat-note" }, `Flat: ${value} everywhere.${this.store.info(group.block).inactive > 0 ? " This gate is inactive: the mask does not depend on the image." : ""}`)];
    }
    const [low, high] = atlas.limits(group.group, this.store.state.scale, this.store.signal);
    const words = `${this.store.signal}, ${this.store.state.scale} scale, from ${ends(low, high).join(" to ")}`;
    return [caption, this.scale(this.store.signal, words, group, low, high)];
  }

  /** A colour bar with its name and the values at both ends. */
  scale(name, words, group, low, high, { colour = null, atlas = null } = {}) {
    const [from, to] = ends(low, high);
    return make(
      "div",
      { class: "scale", role: "img", "aria-label": words, title: words },
      make("span", { class: "scale-name" }, name),
      make("span", {}, from),
      this.bar(group, colour, low, high, atlas),
      make("span", {}, to),
    );
  }

  /** Changes what is off and returns the focus to the same button, which is drawn anew. */
  keepingFocus(change) {
    const index = [...this.querySelectorAll("button")].indexOf(document.activeElement);
    change();
    if (index >= 0) requestAnimationFrame(() => this.querySelectorAll("button")[index]?.focus());
  }

  pinsHead(shown) {
    const clear = make("button", { type: "button", class: "plain", onclick: () => this.clear() }, "Clear");
    return [make("p", { class: "caption" }, make("b", {}, `${shown.length} groups`), `, ${this.store.signal}, each in its own colour`), clear];
  }

  chip(pin) {
    const atlas = this.store.atlas(pin.block);
    const exists = pin.group < (this.store.info(pin.block)?.groups ?? 0);
    const remove = make("button", { type: "button", class: "remove", "aria-label": `Remove ${groupName(pin)}`, onclick: () => this.remove(pin) }, "\u00d7");
    const children = [make("b", { title: groupName(pin) }, shortGroupName(pin))];
    if (!exists) children.push(make("span", { class: "range" }, "not in this model"));
    else if (!atlas) children.push(make("span", { class: "range" }, canLoadMaps(this.store) ? "loading" : "not in this report"));
    else if (atlas.isFlat(pin.group)) children.push(make("span", { class: "range" }, `flat, ${number(atlas.range(pin.group)[0])}`));
    else if (this.store.state.pins.length > 1) {
      // The bar stays while another group is previewed, so that the height below the image does not change.
      const [low, high] = atlas.limits(pin.group, this.store.state.scale, this.store.signal);
      const bar = this.bar(pin, PIN_COLOURS[pin.slot], low, high);
      const [from, to] = ends(low, high);
      children.push(make("span", { class: "range" }, from), bar, make("span", { class: "range" }, to));
    }
    return make("span", { class: isOff(this.store, pin) ? "chip off" : "chip" }, this.pinDot(pin), ...children, exists ? this.power(pin) : null, remove);
  }

  power(pin) {
    if (this.store.state.offline || !hasGroups(this.store.image)) return null;
    const button = switchOffButton(this.store, pin);
    button.onclick = () => this.keepingFocus(() => {});
    return button;
  }

  /** A dot in the pin's colour, as on its tile, also while the image is drawn in the colour map. */
  pinDot(pin) {
    const dot = make("span", { class: "dot", "aria-hidden": "true" });
    dot.style.background = PIN_COLOURS[pin.slot];
    return dot;
  }

  /** @param atlas the map under the needle, if it is not that of the group */
  bar(group, colour, low, high, atlas = null) {
    const canvas = make("canvas", { "aria-hidden": "true" });
    paintColourBar(canvas, blendTableFor(this.store, colour));
    const needle = make("i", { class: "needle", hidden: true });
    this.bars.push({ group, low, high, needle, difference: atlas });
    return make("span", { class: "colour-bar" }, canvas, needle);
  }

  /** Moves the needle of a colour bar to the value of the cell under the pointer. */
  moveNeedle({ group, low, high, needle, difference }) {
    const { pointer } = this.store.state;
    const atlas = difference ?? (group ? this.store.atlas(group.block) : this.store.image.gradCam);
    const cell = pointer && atlas && cellAt(this.store.image.analysis.geometry, atlas, pointer);
    needle.hidden = !cell;
    if (!cell) return;
    const value = atlas.value(group?.group ?? 0, cell.row, cell.col);
    const fraction = high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0;
    needle.style.left = `${100 * fraction}%`;
    needle.dataset.value = number(value, digitsBetween(low, high));
  }

  /** Removes a pin and moves the focus to the next one. */
  remove(pin) {
    const index = this.store.state.pins.indexOf(pin);
    const isByKey = this.hasVisibleFocus;
    this.store.togglePin(pin);
    requestAnimationFrame(() => {
      const buttons = this.querySelectorAll(".chip .remove");
      if (buttons.length > 0) buttons[Math.min(index, buttons.length - 1)].focus();
      else if (isByKey) this.focusImage();
    });
  }

  clear() {
    const isByKey = this.hasVisibleFocus;
    this.store.setPins([]);
    if (isByKey) requestAnimationFrame(() => this.focusImage());
  }

  get hasVisibleFocus() {
    return this.querySelector(":focus-visible") !== null;
  }

  /** Where the last pin is gone, the focus of the keyboard goes to the image; after a click, arrow keys still change images. */
  focusImage() {
    document.getElementById(`image${this.store.suffix}`)?.focus({ preventScroll: true });
  }
}

customElements.define("sge-legend", Legend);
