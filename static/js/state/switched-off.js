// What is switched off: groups that are removed, or masks that are flattened. Each change can be undone.

import { groupName, shortBlockName } from "../format.js";
import { isWhole, kindName } from "./parts.js";
import { isSameGroup } from "./store.js";

const MAX_STEPS = 100;
const NOTHING = { off: [], offMode: "zero", flattened: false };
// Earlier states of each store, the latest last.
const histories = new WeakMap();

const historyOf = (store) => histories.get(store) ?? [];

/** The stores that a change reaches: during a comparison, that of the other model too. */
const linked = (store) => [store, store.second ?? store.first].filter(Boolean);

function change(store, patch) {
  for (const each of linked(store)) {
    const { off, offMode, flattened } = each.state;
    histories.set(each, [...historyOf(each), { off, offMode, flattened }].slice(-MAX_STEPS));
  }
  // Only the groups or only the masks are changed: the service measures one of the two.
  store.set({ ...(patch.off?.length > 0 ? { flattened: false } : {}), ...patch });
}

/** Whether the network runs without something. */
export const isAnythingOff = ({ state, off }) => state.flattened || off.length > 0;

export const canUndo = (store) => historyOf(store).length > 0;

export function undo(store) {
  if (!canUndo(store)) return;
  // Each model has groups of its own, which the other one does not carry.
  for (const each of linked(store).filter(canUndo)) {
    const history = historyOf(each);
    histories.set(each, history.slice(0, -1));
    each.set(history.at(-1));
  }
}

/** Switches everything on. */
export function reset(store) {
  if (isAnythingOff(store)) change(store, NOTHING);
}

/** Switches everything on and forgets the earlier states, as for another model. */
export function forget(store) {
  histories.delete(store);
  store.set(NOTHING);
}

const isChosen = ({ state }, group) => state.off.some((other) => isSameGroup(other, group));

/** Whether the network runs without the group. With "only these", the other groups of the same blocks are off. */
export function isOff(store, group) {
  if (store.state.flattened) return false;
  if (store.state.offMode !== "only") return isChosen(store, group);
  return store.state.off.some(({ block }) => block === group.block) && !isChosen(store, group);
}

/** Adds groups to those that are switched off (with "only these": that are kept), or takes them back if all are there. */
export function toggleOff(store, groups) {
  const chosen = groups.map(({ block, group }) => ({ block, group }));
  const rest = store.state.off.filter((other) => !chosen.some((group) => isSameGroup(other, group)));
  const areAllThere = rest.length === store.state.off.length - chosen.length;
  const off = areAllThere ? rest : [...rest, ...chosen];
  change(store, { off, offMode: off.length > 0 ? store.state.offMode : "zero" });
}

/** Chooses between removing the groups and keeping nothing else of their blocks. */
export const setOnly = (store, isOnly) => change(store, { offMode: isOnly ? "only" : "zero" });

/** Flattens every mask to its mean over space, or restores them. */
export const setFlattened = (store, flattened) => change(store, flattened ? { ...NOTHING, flattened } : { flattened });

/** What the gesture on a group does next: `Switch off`, `Switch on`, or with "only these" `Keep`, `Do not keep`. */
export function gestureFor(store, group) {
  const inList = isChosen(store, group);
  if (store.state.offMode === "only" && store.state.off.length > 0) return inList ? "Do not keep" : "Keep";
  return inList ? "Switch on" : "Switch off";
}

/** The groups that are listed for a part. */
export const groupsOfPart = ({ part_maps: maps }, kind) => maps[kind].terms.map(({ block, group }) => ({ block, group }));

/** What the gesture on a part does next: `Without the nose groups`, or `With` if all of them are off; `the 12 nose groups` where there are more. */
export function withoutWords(store, kind) {
  const off = groupsOfPart(store.image.analysis, kind).every((group) => isChosen(store, group));
  const { analysis } = store.image;
  const count = isWhole(analysis, kind) ? "" : `${analysis.part_maps[kind].terms.length} listed `;
  return `${off ? "With" : "Without"} the ${count}${kindName(kind).toLowerCase()} groups`;
}

/** The kind of part whose listed groups are just those that are off, or undefined. */
function partOf({ image, off }) {
  const maps = image.analysis.part_maps ?? {};
  return Object.keys(maps).find((kind) => maps[kind].terms.length === off.length && off.every((group) => maps[kind].terms.some((term) => isSameGroup(term, group))));
}

/** The groups by block, in the order in which they were chosen: `[["blocks.5.0", [20, 36]], ...]`. */
export function groupsByBlock(groups) {
  const byBlock = new Map();
  groups.forEach(({ block, group }) => byBlock.set(block, [...(byBlock.get(block) ?? []), group]));
  return [...byBlock];
}

/** What is off, in words: `{head, list}`, such as `3 groups off` and `5.0 g20, g36, g26`. */
export function describeOff(store) {
  const { off } = store;
  if (store.state.flattened) return { head: "Masks flattened", list: "each to its mean over the image" };
  if (off.length === 0) return { head: "", list: "" };
  const count = `${off.length} ${off.length === 1 ? "group" : "groups"}`;
  const head = { only: `Only ${count} of their blocks`, mean: `${count} with a flat mask` }[store.state.offMode] ?? `${count} off`;
  const part = partOf(store);
  if (part) return { head, list: isWhole(store.image.analysis, part) ? `all of the ${kindName(part).toLowerCase()} readout` : `those listed for the ${kindName(part).toLowerCase()}` };
  if (off.length === 1) return { head, list: groupName(off[0]) };
  return { head, list: groupsByBlock(off).map(([block, numbers]) => `${shortBlockName(block)} ${numbers.map((n) => `g${n}`).join(", ")}`).join("; ") };
}
