// What the page knows, in one place; elements listen for the keys they draw.

import { hasFinder } from "./parts.js";

export const MAX_PINS = 6;

/** Whether two groups, pins or answers, are the same one. */
export const same = (a, b) => a.block === b.block && a.group === b.group;

/** What one model shows. The page has one, and a second while two models are compared (`sge-compare`). */
export class Store extends EventTarget {
  /** @param suffix tells apart what must be named once a document, such as groups of radio buttons */
  constructor(suffix = "") {
    super();
    this.suffix = suffix;
    this.second = null;
    this.pinsByModel = new Map();
    this.state = {
      // The strip, in its order: {key, name, url, status: "new" | "waiting" | "ready", ...} and, once ready,
      // what `open` in pictures.js gives. `current` is on show; `wanted` is to be shown as soon as it is ready.
      pictures: [],
      current: null,
      wanted: null,
      block: null,
      hover: null,
      pins: [],
      point: null,
      reading: null,
      // "parts" or "groups"; "parts" where the analysis found none is "groups" all the same.
      view: "parts",
      signal: null,
      colormap: "magma",
      scale: "relative",
      opacity: 0.85,
      sort: null,
      framing: "whole",
      model: null,
      // The model that stands beside this one.
      compare: null,
      busy: null,
      note: null,
      errors: [],
    };
  }

  set(patch) {
    const changed = new Set(Object.keys(patch).filter((key) => this.state[key] !== patch[key]));
    if (changed.size === 0) return;
    Object.assign(this.state, patch);
    this.dispatchEvent(new CustomEvent("change", { detail: changed }));
  }

  /** The entry of the strip with that key. */
  entry(key) {
    return this.state.pictures.find((picture) => picture.key === key);
  }

  /** The picture on show, or null before the first. */
  get picture() {
    const picture = this.entry(this.state.current);
    return picture?.analysis ? picture : null;
  }

  /** The block on show: the visitor's, or the one that the analysis opens with. */
  get block() {
    const blocks = this.picture?.analysis.blocks ?? [];
    const wanted = blocks.find((block) => block.name === this.state.block);
    return wanted ? wanted.name : this.picture?.analysis.default_block;
  }

  /** mask or similarity: the visitor's choice, or what the model opens with. */
  get signal() {
    return this.state.signal ?? this.picture?.analysis.signal ?? "similarity";
  }

  /** Whether the picture can be shown by its parts: the model has a finder, and it found some. */
  get hasParts() {
    return this.picture !== null && hasFinder(this.picture.analysis) && this.picture.analysis.parts.length > 0;
  }

  /** What Show is set to; a previewed group is seen all the same. */
  get chosenView() {
    return this.hasParts && this.state.view === "parts" ? "parts" : "groups";
  }

  /** What the picture shows: "parts", or "groups" (see `shown`). */
  get view() {
    return this.state.hover ? "groups" : this.chosenView;
  }

  /** The wall's order: the visitor's, or the groups behind the parts where there are parts. */
  get sort() {
    const { sort } = this.state;
    if (sort === null) return this.hasParts ? "parts" : "focus";
    return sort === "parts" && !hasFinder(this.picture.analysis) ? "focus" : sort;
  }

  atlas(block, signal = this.signal) {
    return this.picture.atlases[signal].get(block);
  }

  /** What the picture shows now: the previewed group, else the pinned ones, else the one to begin with. */
  get shown() {
    if (!this.picture) return [];
    const there = (one) => one.group < (this.atlas(one.block)?.groups ?? 0);
    if (this.state.hover && there(this.state.hover)) return [this.state.hover];
    const pins = this.state.pins.filter(there);
    return pins.length > 0 ? pins : [this.first];
  }

  /** The group to begin with: the model's own choice in its opening block, else the most focused one. */
  get first() {
    const { focus, model } = this.picture.analysis;
    const opening = model.opens_with;
    if (opening && opening.block === this.block) return { block: this.block, group: opening.group, why: opening.reason };
    const values = focus[this.block];
    return { block: this.block, group: values.indexOf(Math.max(...values)), why: "the block\u2019s most focused group" };
  }

  /** The group's pin, which keeps its colour (`slot`) for as long as it is there. */
  pinOf(one) {
    return this.state.pins.find((pin) => same(pin, one));
  }

  togglePin({ block, group }) {
    const { pins } = this.state;
    // What was decided is seen at once, and the preview comes back with the next group.
    this.set({ hover: null });
    if (this.pinOf({ block, group })) return this.setPins(pins.filter((pin) => !same(pin, { block, group })));
    const slot = [...Array(MAX_PINS).keys()].find((free) => pins.every((pin) => pin.slot !== free));
    if (slot === undefined) this.set({ note: `Six groups are pinned. Remove one to pin ${block}/g${group}.` });
    else this.setPins([...pins, { block, group, slot }]);
  }

  /** Block names mean something in their model only: each model's pins wait for it to come back. */
  pinsOf(model) {
    return this.pinsByModel.get(model) ?? [];
  }

  keepPins(model, pins) {
    this.pinsByModel.set(model, pins);
  }

  /** The first pin turns from the parts to the groups; with the last one gone, the parts come back. */
  setPins(pins) {
    const { pins: before, view } = this.state;
    if (before.length === 0 && pins.length > 0) this.viewBefore = view;
    if (pins.length > before.length) this.set({ pins, view: "groups" });
    else this.set({ pins, view: before.length > 0 && pins.length === 0 ? this.viewBefore ?? view : view });
  }
}

export const store = new Store();

/** Calls `draw` now, and with the changed keys whenever one of `keys` changes, once a frame. */
export function follow(keys, draw, from = store) {
  let waiting = null;
  const listener = ({ detail }) => {
    const news = keys.filter((key) => detail.has(key));
    if (news.length === 0) return;
    if (waiting) return news.forEach((key) => waiting.add(key));
    waiting = new Set(news);
    requestAnimationFrame(() => {
      const changed = waiting;
      waiting = null;
      draw(changed);
    });
  };
  from.addEventListener("change", listener);
  draw(new Set(keys));
  return () => from.removeEventListener("change", listener);
}

/** An element that draws itself from its store. Subclasses have `keys`, `build()` and `draw(changed)`. */
export class StoreElement extends HTMLElement {
  connectedCallback() {
    this.store = this.closest("sge-compare")?.store ?? store;
    this.build?.();
    this.leave = follow(this.constructor.keys, (changed) => this.draw(changed), this.store);
  }

  disconnectedCallback() {
    this.leave?.();
  }
}
