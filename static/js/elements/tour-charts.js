// The charts of the tour: bars of a group's channels, and the distribution of similarity with the gate's curve over it.

import { make, makeSvg } from "../dom.js";
import { number, significant } from "../format.js";

const [WIDTH, HEIGHT, BINS] = [420, 150, 42];
const MAX_BARS = 64;

/**
 * Bars of one or two numbers a channel, from zero; all in one scale.
 *
 * @param series `[{name, values, kind}]`; `kind` is "first" or "second" and gives the colour
 */
export function bars(series) {
  const shown = series.map((each) => ({ ...each, values: each.values.slice(0, MAX_BARS) }));
  const all = shown.flatMap(({ values }) => values);
  const [low, high] = [Math.min(0, ...all), Math.max(0, ...all)];
  const scale = 100 / Math.max(high - low, 1e-9);
  const columns = shown[0].values.map((_, channel) =>
    make("span", { class: "bar-column" }, ...shown.map(({ values, kind, name }) => bar(values[channel], low, scale, kind, `channel ${channel}, ${name}: ${significant(values[channel])}`))),
  );
  const words = shown.map(({ name, values }) => `${name}: ${values.map(significant).join(", ")}`).join("; ");
  const key = shown.map(({ name, kind }) => make("span", { class: `key ${kind}` }, name));
  const rest = series[0].values.length > MAX_BARS ? [make("span", {}, `first ${MAX_BARS} of ${series[0].values.length} channels`)] : [];
  return make(
    "figure",
    { class: "chart" },
    make("div", { class: "bars", role: "img", "aria-label": words }, ...columns),
    make("figcaption", {}, ...key, ...rest, make("span", { class: "extent" }, `largest ${significant(high)}`)),
  );
}

function bar(value, low, scale, kind, title) {
  const element = make("i", { class: `bar ${kind}`, title });
  Object.assign(element.style, { height: `${Math.abs(value) * scale}%`, bottom: `${(Math.min(0, value) - low) * scale}%` });
  return element;
}

/**
 * How many cells have which similarity, with the marked cell; and, with a gate, the mask for every similarity.
 *
 * @param gate `{weight, bias}`, or null for the distribution alone
 */
export function distribution(atlas, cell, gate = null) {
  const [low, high] = [Math.min(-2, atlas.lo), Math.max(2, atlas.hi)];
  const x = (value) => ((value - low) / (high - low)) * WIDTH;
  const marked = atlas.value(0, cell.row, cell.col);
  const children = [...histogram(atlas, low, high), makeSvg("path", { class: "axis", d: `M0 ${HEIGHT}H${WIDTH}M${x(0)} ${HEIGHT}v5` })];
  children.push(makeSvg("path", { class: "marked", d: `M${x(marked)} 0V${HEIGHT}` }));
  if (gate) children.push(...curve(gate, marked, low, high, x));
  const words = gate
    ? `The mask over the similarity, from ${number(sigmoid(gate, low))} at ${number(low, 1)} to ${number(sigmoid(gate, high))} at ${number(high, 1)}`
    : `Distribution of the similarity over the cells, from ${number(atlas.lo, 1)} to ${number(atlas.hi, 1)}; the marked cell has ${number(marked, 1)}`;
  return make(
    "figure",
    { class: "chart" },
    makeSvg("svg", { viewBox: `0 -4 ${WIDTH} ${HEIGHT + 10}`, class: "distribution", role: "img", "aria-label": words }, ...children),
    make("figcaption", { class: "ends" }, make("span", {}, number(low, 1)), make("span", {}, gate ? "similarity t; the curve is the mask, from 0 to 1" : "similarity t; the height counts cells"), make("span", {}, number(high, 1))),
  );
}

const sigmoid = ({ weight, bias }, t) => 1 / (1 + Math.exp(-(weight * t + bias)));

/** The bars of a histogram. Their heights are square roots, so that single cells remain visible. */
function histogram(atlas, low, high) {
  const counts = new Array(BINS).fill(0);
  for (const grey of atlas.cells(0)) {
    const share = (atlas.lo + atlas.step * grey - low) / (high - low);
    counts[Math.min(BINS - 1, Math.max(0, Math.floor(share * BINS)))] += 1;
  }
  const top = Math.sqrt(Math.max(...counts));
  return counts.flatMap((count, i) => {
    if (count === 0) return [];
    const height = (Math.sqrt(count) / top) * HEIGHT * 0.8;
    return [makeSvg("rect", { class: "bin", x: (i * WIDTH) / BINS + 0.5, y: HEIGHT - height, width: WIDTH / BINS - 1, height })];
  });
}

function curve(gate, marked, low, high, x) {
  const y = (t) => HEIGHT * (1 - sigmoid(gate, t));
  const points = Array.from({ length: 81 }, (_, i) => low + ((high - low) * i) / 80);
  return [
    makeSvg("path", { class: "curve", d: `M${points.map((t) => `${x(t).toFixed(1)} ${y(t).toFixed(1)}`).join("L")}` }),
    makeSvg("circle", { class: "marked", cx: x(marked), cy: y(marked), r: 5 }),
  ];
}
