// The effects of one block's groups on the target, and on the class that the visitor expected.

import { signed } from "../format.js";

/** The label of a class of the current image: as predicted, as measured, or as the effects name it; else its number. */
export function labelOf({ image, state }, index) {
  const { analysis, attribution, expectedAttribution } = image;
  const known = [...analysis.predictions, attribution?.target, expectedAttribution?.target, ...(state.ablation.result?.classes ?? [])];
  return known.find((each) => each?.index === index)?.label ?? `class ${index}`;
}

/** Makes a class the one whose effects are shown; null for the predicted class. */
export function chooseTarget(store, index) {
  const best = store.image.analysis.predictions[0].index;
  const { expected } = store.state;
  store.set({ target: index === best ? null : index, expected: expected === index ? null : expected });
}

/**
 * The groups of a block by effect, the largest first: `{group, value, target, expected}`.
 *
 * `value` is the effect on the target's logit, or with an expected class the effect on that one minus the effect on the
 * target: what speaks for the expected class.
 */
export function groupsByEffect({ attribution, expectedAttribution }, block) {
  const expected = expectedAttribution?.effect[block];
  return attribution.effect[block]
    .map((target, group) => ({ group, target, expected: expected?.[group], value: expected ? expected[group] - target : target }))
    .sort((a, b) => b.value - a.value);
}

/** The effect of a group in words, for titles and screen readers. */
export function describeEffect({ value, target, expected }, [label, expectedLabel]) {
  if (expected === undefined) return `effect ${signed(value)}: without it the logit of ${label} ${value < 0 ? "rises" : "falls"} by ${signed(Math.abs(value)).replace("+", "")}`;
  return `speaks ${value < 0 ? `for ${label}` : `for ${expectedLabel}`}: effect ${signed(expected)} on ${expectedLabel}, ${signed(target)} on ${label}`;
}

/** How the effects of a block were obtained. */
export const howMeasured = ({ method }, block) => (method[block] === "ablation" ? "measured by removing each group" : "estimated from the gradient");
