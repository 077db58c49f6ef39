// The words of the tour: one or two sentences a step, the formula in plain words, and the formula with this image's numbers.

import { groupName, number, shortBlockName, significant } from "../format.js";
import { moments } from "../state/tour.js";

/** Whether the gate is inactive: its mask is constant. */
export const isInactive = ({ weight, mask }) => weight === 0 || mask.isFlat(0);

const TEXTS = [features, mean, product, similarity, mask, output];

/**
 * What a step says: `{text, formula, numbers}`; `numbers` is null where a step has no number of the marked cell.
 *
 * @param steps the arrays, as `stepsOf` gives them
 * @param block the block's entry in the analysis
 * @param cell the marked cell, `{row, col}`
 */
export function textOf(step, steps, block, cell) {
  return TEXTS[step](steps, block, cell);
}

const at = (atlas, { row, col }) => atlas.value(0, row, col);

function features({ mean: means, group, features: maps }, { name, groups, channels, stride }) {
  const [count, cells] = [means.length, `${maps.height}\u00d7${maps.width} cells`];
  return {
    text: `Block ${shortBlockName(name)} divides its ${channels} channels into ${groups} groups. Group ${group} is ${count === 1 ? "this channel" : `these ${count} channels`}: each is a map of ${cells}, bright where the channel responds. A cell covers ${stride}\u00d7${stride} pixels of what the network reads.`,
    formula: `x: ${count === 1 ? "one number" : `${count} numbers`} at every cell`,
    numbers: null,
  };
}

function mean({ mean: means, features: maps }) {
  const [count, cells] = [means.length, maps.height * maps.width];
  return {
    text: `Every channel is averaged over all ${cells} cells. What remains is ${count === 1 ? "one number" : `${count} numbers`}: what the group sees in this image as a whole.`,
    formula: "g = mean of x over all cells",
    numbers: null,
  };
}

/** The two largest of the products that are added up: `6.00 × 2.94 + 2.85 × 0.09`. */
function largestTerms({ features: maps, mean: means }, { row, col }) {
  const terms = means.map((g, channel) => [maps.value(channel, row, col), g]);
  terms.sort((a, b) => Math.abs(b[0] * b[1]) - Math.abs(a[0] * a[1]));
  const rest = terms.length > 2 ? " + \u2026" : "";
  return `${terms.slice(0, 2).map(([x, g]) => `${significant(x)} \u00d7 ${significant(g)}`).join(" + ")}${rest}`;
}

function product(steps, _block, cell) {
  return {
    text: "At every cell, the features are multiplied by the mean, channel by channel, and the results are added. The sum is large where a cell responds strongly and in the same channels as the image as a whole.",
    formula: "c = sum over the channels of x \u00d7 g",
    numbers: `c = ${largestTerms(steps, cell)} = ${significant(at(steps.product, cell))} at the marked cell`,
  };
}

function similarity({ product: products, similarity: map }, _block, cell) {
  const { mean: centre, deviation } = moments(products);
  return {
    text: "The products are standardized over the image: minus their mean, divided by their standard deviation. 0 is the average cell; 3 means three standard deviations above it.",
    formula: "t = (c \u2212 mean of c) / standard deviation of c",
    numbers: `t = (${significant(at(products, cell))} \u2212 ${significant(centre)}) / ${significant(deviation)} = ${number(at(map, cell))} at the marked cell`,
  };
}

function mask(steps, _block, cell) {
  const { weight, bias } = steps;
  const factor = number(at(steps.mask, cell));
  return {
    text: isInactive(steps)
      ? `This gate is inactive: its weight is 0, so the mask is ${factor} at every cell, whatever the image shows. Nothing is selected here. In a model with tuned or trained gates, the mask follows the similarity.`
      : "A gate with two learned numbers, weight and bias, turns the similarity into a factor between 0 and 1.",
    formula: "a = sigmoid(weight \u00d7 t + bias)",
    numbers: `a = sigmoid(${significant(weight)} \u00d7 ${number(at(steps.similarity, cell))} + ${significant(bias)}) = ${factor} at the marked cell`,
  };
}

function output(steps, block, cell) {
  const { mean: average } = moments(steps.mask);
  return {
    text: isInactive(steps)
      ? `Every channel is multiplied by the same ${number(average)}: where a cell lies makes no difference. ${groupName({ block: block.name, group: steps.group })} leaves the block as it came, only smaller.`
      : `Every channel is multiplied by the mask. The features stay where the mask is near 1 and fade where it is near 0; on average over the image, the mask is ${number(average)}. The next block reads the result.`,
    formula: "output = x \u00d7 a",
    numbers: `the ${steps.mean.length === 1 ? "number" : "numbers"} of the marked cell \u00d7 ${number(at(steps.mask, cell))}`,
  };
}
