// What a comparison carries from one model to the other: groups that both have, and classes with the same label.

import { labels } from "../api.js";
import { isSameGroup, MAX_PINS } from "./store.js";

/** Whether a model has a group: it has the block with the same number of groups. */
function isShared({ block, group }, from, to) {
  const [ours, theirs] = [from, to].map((store) => store.image?.analysis.blocks.find(({ name }) => name === block));
  return Boolean(ours && theirs && ours.groups === theirs.groups && group < theirs.groups);
}

/** The groups of `from` that both models have, and those that only `to` has. */
function merged(from, to, key) {
  const carried = from.state[key].filter((group) => isShared(group, from, to));
  const own = to.state[key].filter((group) => !isShared(group, to, from));
  return [...carried, ...own];
}

/** Pins keep their colours; where two have the same, the second one takes a free colour. */
function mergedPins(from, to) {
  const pins = [];
  for (const pin of merged(from, to, "pins").slice(0, MAX_PINS)) {
    const isTaken = (slot) => pins.some((other) => other.slot === slot);
    pins.push(isTaken(pin.slot) ? { ...pin, slot: [...Array(MAX_PINS).keys()].find((slot) => !isTaken(slot)) } : pin);
  }
  return pins;
}

/** Carries pins, the previewed group and what is switched off to the other store. */
export function carryGroups(from, to, changed) {
  if (!from.image || !to.image) return;
  if (changed.has("pins")) {
    const pins = mergedPins(from, to);
    const isSame = pins.length === to.state.pins.length && pins.every((pin, i) => isSameGroup(pin, to.state.pins[i]) && pin.slot === to.state.pins[i].slot);
    if (!isSame) to.setPins(pins);
  }
  if (changed.has("hover")) {
    const { hover } = from.state;
    to.set({ hover: hover && isShared(hover, from, to) ? hover : null });
  }
  if (changed.has("off")) to.set({ off: merged(from, to, "off") });
  to.set(Object.fromEntries(["offMode", "flattened"].filter((key) => changed.has(key)).map((key) => [key, from.state[key]])));
}

/** The classes of two models by label. */
export class LinkedClasses {
  constructor() {
    this.labels = new Map();
  }

  labelsOf(model) {
    if (!this.labels.has(model)) this.labels.set(model, labels(model).catch(() => []));
    return this.labels.get(model);
  }

  /** The class of `to` with the label of a class of `from`, or null where `to` does not know it. */
  async translate(index, from, to) {
    if (index === null) return null;
    const [ours, theirs] = await Promise.all([from, to].map((store) => this.labelsOf(store.image.analysis.model.name)));
    const found = theirs.indexOf(ours[index]);
    return found < 0 ? null : found;
  }
}
