// The state of the page. Elements observe the keys that they draw.

import { groupName } from "../format.js";
import { hasFinder } from "./parts.js";
import { hasSimilarity } from "./positions.js";
import { NO_ZOOM } from "./zoom.js";

export const MAX_PINS = 6;
const MAX_ERRORS = 12;

/** Whether two `{block, group}` name the same group. */
export const isSameGroup = (a, b) => a.block === b.block && a.group === b.group;

/** The state of one model's view. The page has one store, and a second one during a comparison (`sge-compare`). */
export class Store extends EventTarget {
  /** @param suffix distinguishes names that must be unique in the document, such as groups of radio buttons */
  constructor(suffix = "") {
    super();
    this.suffix = suffix;
    // The other model's store during a comparison: of the first model, and of the second.
    this.second = null;
    this.first = null;
    this.pinsByModel = new Map();
    this.state = {
      // The entries of the filmstrip: {key, name, url, status: "new" | "waiting" | "ready" | "failed", ...}. A ready one has
      // `facts` and either what `open` in opening.js returns, or only its `bodies`; a failed one has its `error`, a sentence.
      // `url` is that of the decoded image: of a sample its file, of a file what the service has sent, or null before.
      // `current` is shown; `requested` is shown as soon as it is ready.
      images: [],
      current: null,
      requested: null,
      block: null,
      // The previewed group, a {block, group}.
      hover: null,
      pins: [],
      // Positions {x, y} in pixels of the upright image: of the last click, and of the pointer or keyboard cursor.
      point: null,
      pointer: null,
      // How the image view is enlarged: see zoom.js.
      zoom: NO_ZOOM,
      // The class whose effects are shown: its index, or null for the predicted class. `expected` is a second class that
      // the visitor expected instead, or null.
      target: null,
      expected: null,
      // What is switched off: groups {block, group}; how ("zero": removed, "only": nothing else of their blocks is kept);
      // and whether every mask of the network is flattened to its mean over space (mode "mean", all groups).
      off: [],
      offMode: "zero",
      flattened: false,
      // The service's answer for `off`, `offMode` and `flattened`: {status: "none" | "waiting" | "ready" | "failed", ...}.
      ablation: { status: "none" },
      // The state of the effects that are shown: {status: "ready" | "waiting" | "measuring" | "failed", error}.
      effect: { status: "ready" },
      // Whether there is no service, as in a saved report.
      offline: false,
      // The step of the tour, or null: {block, group, step}.
      tour: null,
      // Whether the boxes of a detector are drawn, and the position of the emphasized one, or null.
      boxes: true,
      markedBox: null,
      // The number of the face whose parts are emphasized, or null.
      markedFace: null,
      // "parts", "groups" or "gradcam". Where the analysis found no parts, "parts" shows the groups.
      view: "parts",
      signal: null,
      colormap: "magma",
      scale: "relative",
      opacity: 0.85,
      sort: null,
      framing: "whole",
      // What the parts are found by, where the model has both: "mix" (groups and channels) or "groups".
      partsBy: "mix",
      model: null,
      // The name of the second model of a comparison, and whether its image shows the difference to the first.
      compare: null,
      difference: false,
      busy: null,
      note: null,
      // Sentences, or {text, keys, retry}: `keys` are the images that it is about, `retry` is a function or null.
      errors: [],
    };
  }

  set(patch) {
    const changed = new Set(Object.keys(patch).filter((key) => this.state[key] !== patch[key]));
    if (changed.size === 0) return;
    Object.assign(this.state, patch);
    this.dispatchEvent(new CustomEvent("change", { detail: changed }));
  }

  /** Adds an error, as in `errors`. The same sentence about several images is one error; the oldest errors are dropped. */
  addError(error) {
    const added = typeof error === "string" ? { text: error } : error;
    const others = this.state.errors.filter((other) => (other.text ?? other) !== added.text);
    const same = this.state.errors.find((other) => other.text === added.text && other.keys);
    const keys = added.keys && [...new Set([...(same?.keys ?? []), ...added.keys])];
    this.set({ errors: [...others, { ...added, keys }].slice(-MAX_ERRORS) });
  }

  /** Removes images from the errors, because they were analysed, or are tried again, or were removed. */
  settleErrors(settled) {
    const { errors } = this.state;
    if (!errors.some(({ keys }) => keys?.some((key) => settled.includes(key)))) return;
    const rest = errors.map((error) => (error.keys ? { ...error, keys: error.keys.filter((key) => !settled.includes(key)) } : error));
    this.set({ errors: rest.filter(({ keys }) => !keys || keys.length > 0) });
  }

  /** The entry of the filmstrip with that key. */
  entry(key) {
    return this.state.images.find((entry) => entry.key === key);
  }

  /** The entry of the current image, or null before the first analysis. */
  get image() {
    const entry = this.entry(this.state.current);
    return entry?.analysis ? entry : null;
  }

  /** What is known of a block of the current image, such as its number of groups; undefined if there is no such block. */
  info(block) {
    return this.image?.analysis.blocks.find(({ name }) => name === block);
  }

  /** Whether the maps of a block are there; see maps.js. */
  hasMaps(block) {
    return this.image?.atlases.mask.has(block) ?? false;
  }

  /**
   * The name of the current block: the visitor's choice, or the default block of the analysis.
   *
   * Until the maps of the choice are there, it is the block that was current before.
   */
  get block() {
    if (!this.image) return undefined;
    const { block } = this.state;
    const isThere = (name) => this.info(name) !== undefined && this.hasMaps(name);
    if (!this.info(block)) this.blockBefore = null;
    this.blockBefore = [block, this.blockBefore, this.image.analysis.default_block].find(isThere) ?? this.image.atlases.mask.keys().next().value;
    return this.blockBefore;
  }

  /** `mask` or `similarity`: the visitor's choice, or the default of the analysis; the mask where a model gives nothing else. */
  get signal() {
    if (this.image && !hasSimilarity(this.image.analysis)) return "mask";
    return this.state.signal ?? this.image?.analysis.signal ?? "similarity";
  }

  /** Whether the model has a part finder and it found a part in the current image. */
  get hasParts() {
    return this.image !== null && hasFinder(this.image.analysis) && this.image.analysis.parts.length > 0;
  }

  /** Whether the maps of all groups are there that find the parts. */
  get hasPartMaps() {
    return Object.values(this.image.analysis.part_maps).every(({ terms }) => terms.every(({ block }) => this.hasMaps(block)));
  }

  /** The index of the class whose effects are shown: the visitor's choice, or the predicted class. */
  get target() {
    return this.state.target ?? this.image?.analysis.predictions[0]?.index ?? null;
  }

  /** The index of the class that the visitor expected instead of `target`, or null. */
  get expected() {
    return this.state.expected === this.target ? null : this.state.expected;
  }

  /** The groups that are switched off and exist in the current model. */
  get off() {
    return this.state.off.filter(({ block, group }) => group < (this.info(block)?.groups ?? 0));
  }

  /** The chosen view, regardless of a previewed group. */
  get chosenView() {
    if (this.state.view === "gradcam" && this.image?.gradCam) return "gradcam";
    return this.hasParts && this.state.view === "parts" ? "parts" : "groups";
  }

  /** The view that is drawn: "parts", "gradcam", or "groups" (see `shown`). */
  get view() {
    return this.state.hover ? "groups" : this.chosenView;
  }

  /** Whether the effects of the current block's groups are known. */
  get hasEffects() {
    return this.image?.attribution?.effect[this.block] !== undefined;
  }

  /** The order of the group grid: the visitor's choice, else `effect`; without effects `focus`, or `parts` in a report that has their maps. */
  get sort() {
    const { sort, offline } = this.state;
    if (sort === null || sort === "effect") return this.hasEffects ? "effect" : offline && this.hasParts && this.hasPartMaps ? "parts" : "focus";
    const isMissing = (sort === "parts" && !hasFinder(this.image.analysis)) || (sort === "energy" && !this.image.analysis.energy[this.block]);
    return isMissing ? "focus" : sort;
  }

  atlas(block, signal = this.signal) {
    return this.image.atlases[signal].get(block);
  }

  /** The groups that are drawn: the previewed group, else the pinned ones, else the opening one. */
  get shown() {
    if (!this.image) return [];
    const exists = ({ block, group }) => group < (this.atlas(block)?.groups ?? 0);
    if (this.state.hover && exists(this.state.hover)) return [this.state.hover];
    const pins = this.state.pins.filter(exists);
    return pins.length > 0 ? pins : [this.openingGroup];
  }

  /** The group that is shown first: the model's choice in its opening block, else the one with the largest effect or focus. */
  get openingGroup() {
    const { focus, model } = this.image.analysis;
    const opening = model.opens_with;
    const isThere = opening?.block === this.block && opening.group < focus[this.block].length;
    if (isThere) return { block: this.block, group: opening.group, reason: opening.reason ?? "the model\u2019s choice" };
    const { attribution } = this.image;
    const effects = attribution?.effect[this.block];
    const values = effects ?? focus[this.block];
    const reason = effects ? `largest effect of its block on ${attribution.target.label}` : "the block\u2019s most focused group";
    return { block: this.block, group: values.indexOf(Math.max(...values)), reason };
  }

  /** The pin of a group. Its colour (`slot`) stays the same until it is removed. */
  pinOf(group) {
    return this.state.pins.find((pin) => isSameGroup(pin, group));
  }

  togglePin({ block, group }) {
    const { pins } = this.state;
    // The change must be visible at once; the preview returns with the next group.
    this.set({ hover: null });
    if (this.pinOf({ block, group })) return this.setPins(pins.filter((pin) => !isSameGroup(pin, { block, group })));
    const slot = [...Array(MAX_PINS).keys()].find((free) => pins.every((pin) => pin.slot !== free));
    if (slot === undefined) this.set({ note: `Six groups are pinned. Remove one to pin ${groupName({ block, group })}.` });
    else this.setPins([...pins, { block, group, slot }]);
  }

  /** The pins that were kept for a model. Block names are meaningful within one model only. */
  pinsOf(model) {
    return this.pinsByModel.get(model) ?? [];
  }

  keepPins(model, pins) {
    this.pinsByModel.set(model, pins);
  }

  /** Adding a pin switches to the groups; removing the last pin restores the earlier view. */
  setPins(pins) {
    const { pins: before, view } = this.state;
    if (before.length === 0 && pins.length > 0) this.viewBefore = view;
    if (pins.length > before.length) this.set({ pins, view: "groups" });
    else this.set({ pins, view: before.length > 0 && pins.length === 0 ? this.viewBefore ?? view : view });
  }
}

export const store = new Store();

/** Calls `draw` now, and at most once a frame with the changed keys when any of `keys` changes. Returns a stop function. */
export function observe(keys, draw, from = store) {
  let pending = null;
  const listener = ({ detail }) => {
    const changed = keys.filter((key) => detail.has(key));
    if (changed.length === 0) return;
    if (pending) return changed.forEach((key) => pending.add(key));
    pending = new Set(changed);
    requestAnimationFrame(() => {
      const drawn = pending;
      pending = null;
      draw(drawn);
    });
  };
  from.addEventListener("change", listener);
  draw(new Set(keys));
  return () => from.removeEventListener("change", listener);
}
