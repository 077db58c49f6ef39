// The tiles of the order "Effect", and the note above them: for which class, and how the effects were obtained.

import { make } from "../dom.js";
import { signed } from "../format.js";
import { describeEffect, groupsByEffect, howMeasured, labelOf } from "../state/effect-order.js";
import { measure, retry } from "../state/effect.js";
import { makeTile } from "./group-tile.js";

/** The labels of the target and, if there is one, of the expected class. */
function labels(store) {
  const { attribution, expectedAttribution } = store.image;
  return [attribution, expectedAttribution].filter(Boolean).map(({ target }) => labelOf(store, target.index));
}

/** The tiles of a block, under a heading for each sign. */
export function effectTiles(store, block) {
  const names = labels(store);
  const ordered = groupsByEffect(store.image, block);
  const [up, down] = [ordered.filter(({ value }) => value >= 0), ordered.filter(({ value }) => value < 0)];
  const [forIt, againstIt] = names.length > 1 ? [`for ${names[1]}`, `for ${names[0]}`] : [`for ${names[0]}`, `against ${names[0]}`];
  return [[forIt, "\u25b2", up], [againstIt, "\u25bc", down]].flatMap(([title, arrow, effects]) => {
    if (effects.length === 0) return [];
    const count = effects.length === 1 ? "1 group speaks" : `${effects.length} groups speak`;
    const heading = make("h3", { class: "readout" }, make("span", { "aria-hidden": "true" }, arrow), make("span", {}, `${count} `, make("b", {}, title)));
    return [heading, ...effects.map((effect) => tile(store, block, effect, names))];
  });
}

function tile(store, block, effect, names) {
  const below = effect.expected === undefined ? null : `${signed(effect.expected)} / ${signed(effect.target)}`;
  return makeTile(store, { block, group: effect.group }, { note: signed(effect.value), description: describeEffect(effect, names), below });
}

/**
 * The note above the tiles: what the numbers are, and the button that measures the block or asks again.
 *
 * @param isShown whether the tiles are in the order of effects; else only a failure is told
 */
export function effectNote(store, block, isShown) {
  const { status, error } = store.state.effect;
  if (status === "failed") return [make("span", { class: "failed", role: "alert" }, `The effects could not be computed. ${error}`), make("button", { type: "button", onclick: () => retry(store) }, "Retry")];
  if (!isShown) return status === "waiting" ? [make("span", { class: "effect-words" }, "Computing the effects \u2026")] : [];
  const [label, expected] = labels(store);
  const how = howMeasured(store.image.attribution, block);
  const words = expected
    ? ["Effect on ", make("b", {}, expected), " minus effect on ", make("b", {}, label), `, ${how}. Below it: ${expected} / ${label}.`]
    : ["Effect on ", make("b", {}, label), `: how much its logit falls when the group is removed, ${how}.`];
  return [make("span", { class: "effect-words" }, ...words), ...(store.state.offline ? [] : [measureButton(store, how, status)])];
}

function measureButton(store, how, status) {
  const isBusy = status === "waiting" || status === "measuring";
  const isDone = how.startsWith("measured");
  const text = { waiting: "Computing \u2026", measuring: "Measuring \u2026" }[status] ?? (isDone ? "Measured" : "Measure");
  const title = "Removes each group of this block in turn and measures the logit";
  return make("button", { type: "button", disabled: isBusy || isDone, "aria-busy": String(isBusy), title, onclick: () => measure(store) }, text);
}
