// What the page knows, in one place; elements listen for the keys they draw.

export const MAX_PINS = 6;

/** Whether two groups, pins or answers, are the same one. */
export const same = (a, b) => a.block === b.block && a.group === b.group;

class Store extends EventTarget {
  constructor() {
    super();
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
      signal: null,
      colormap: "magma",
      scale: "relative",
      opacity: 0.85,
      sort: "focus",
      framing: "whole",
      model: null,
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
    if (this.pinOf({ block, group })) return this.set({ pins: pins.filter((pin) => !same(pin, { block, group })) });
    const slot = [...Array(MAX_PINS).keys()].find((free) => pins.every((pin) => pin.slot !== free));
    if (slot === undefined) this.set({ note: `Six groups are pinned. Remove one to pin ${block}/g${group}.` });
    else this.set({ pins: [...pins, { block, group, slot }] });
  }
}

export const store = new Store();

/** Calls `draw` now, and with the changed keys whenever one of `keys` changes, once a frame. */
export function follow(keys, draw) {
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
  store.addEventListener("change", listener);
  draw(new Set(keys));
  return () => store.removeEventListener("change", listener);
}

/** An element that draws itself from the store. Subclasses have `keys`, `build()` and `draw(changed)`. */
export class StoreElement extends HTMLElement {
  connectedCallback() {
    this.build?.();
    this.leave = follow(this.constructor.keys, (changed) => this.draw(changed));
  }

  disconnectedCallback() {
    this.leave?.();
  }
}
