// What the page knows, in one place; elements listen for the keys they draw.

export const MAX_PINS = 6;

class Store extends EventTarget {
  constructor() {
    super();
    this.state = {
      pictures: [],
      current: 0,
      block: null,
      hover: null,
      pins: [],
      point: null,
      signal: null,
      colormap: "magma",
      scale: "relative",
      opacity: 0.75,
      sort: "focus",
      framing: "whole",
      model: null,
      busy: null,
      message: null,
    };
  }

  set(patch) {
    const changed = new Set(Object.keys(patch).filter((key) => this.state[key] !== patch[key]));
    if (changed.size === 0) return;
    Object.assign(this.state, patch);
    this.dispatchEvent(new CustomEvent("change", { detail: changed }));
  }

  /** The picture on show, or null before the first. */
  get picture() {
    return this.state.pictures[this.state.current] ?? null;
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
    return { block: this.block, group: values.indexOf(Math.max(...values)), why: "the block's most focused group" };
  }

  isPinned({ block, group }) {
    return this.state.pins.some((pin) => pin.block === block && pin.group === group);
  }

  togglePin({ block, group }) {
    if (this.isPinned({ block, group })) {
      this.set({ pins: this.state.pins.filter((pin) => pin.block !== block || pin.group !== group) });
    } else if (this.state.pins.length >= MAX_PINS) {
      this.set({ message: { kind: "note", text: `Six groups are pinned. Remove one to pin ${block}/g${group}.` } });
    } else {
      this.set({ pins: [...this.state.pins, { block, group }] });
    }
  }
}

export const store = new Store();

/** Calls `draw` now and whenever one of the keys changes, once a frame, while the element is on the page. */
export function follow(element, keys, draw) {
  let asked = false;
  const listener = ({ detail }) => {
    if (asked || !keys.some((key) => detail.has(key))) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
  store.addEventListener("change", listener);
  draw();
  return () => store.removeEventListener("change", listener);
}

/** An element that draws itself from the store. Subclasses have `keys`, `build()` and `draw()`. */
export class StoreElement extends HTMLElement {
  connectedCallback() {
    this.build?.();
    this.leave = follow(this, this.constructor.keys, () => this.draw());
  }

  disconnectedCallback() {
    this.leave?.();
  }
}
