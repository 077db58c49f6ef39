// The tour: how the mask of one group is made, step by step, from the arrays that the network computed for an image.

import { steps } from "../api.js";
import { decodeAtlas } from "./atlas.js";
import { fileOf } from "./images.js";
import { store } from "./store.js";

/** The steps, in order; `eq` are the equations of the paper. */
export const STEPS = [
  { name: "Features", eq: "" },
  { name: "Mean", eq: "eq. 1" },
  { name: "Product", eq: "eq. 2" },
  { name: "Similarity", eq: "eq. 3" },
  { name: "Mask", eq: "eq. 4, 5" },
  { name: "Output", eq: "" },
];
const MAPS = ["features", "product", "similarity", "mask", "output"];
let cached = { key: null, promise: null };

/** Starts the tour of the shown group, or of the group that the image opens with. */
export function startTour() {
  if (!store.image) return;
  const { block, group } = store.shown[0];
  store.set({ tour: { block, group, step: 0 } });
}

export function endTour() {
  store.set({ tour: null });
}

/** Shows a step; numbers beyond the ends give the first or last one. */
export function goTo(step) {
  const { tour } = store.state;
  const within = Math.min(STEPS.length - 1, Math.max(0, step));
  if (tour && within !== tour.step) store.set({ tour: { ...tour, step: within } });
}

/**
 * The arrays of a group's steps: `{block, group, weight, bias, mean, features, product, similarity, mask, output}`, with
 * atlases for the maps. The last answer is kept.
 */
export function stepsOf(image, { block, group }) {
  const key = [image.key, image.version, block, group].join();
  if (cached.key !== key) {
    const promise = load(image, block, group);
    cached = { key, promise };
    // A failed request must not be kept: the visitor can try it again.
    promise.catch(() => cached.promise === promise && (cached = { key: null, promise: null }));
  }
  return cached.promise;
}

async function load(image, block, group) {
  const { model, geometry } = image.analysis;
  const record = await steps(await fileOf(image), image.name, { block, group, model: model.name, framing: geometry.framing });
  const atlases = await Promise.all(MAPS.map((name) => decodeAtlas(record[name])));
  return { ...record, ...Object.fromEntries(MAPS.map((name, i) => [name, atlases[i]])) };
}

/** The cell of a map with the largest value. */
export function strongestCell(atlas) {
  const cells = atlas.cells(0);
  const index = cells.reduce((best, value, i) => (value > cells[best] ? i : best), 0);
  return { row: Math.floor(index / atlas.width), col: index % atlas.width };
}

/** Mean and standard deviation (with n - 1, as eq. 3 has it) of a map over its cells. */
export function moments(atlas) {
  const values = Array.from(atlas.cells(0), (cell) => atlas.lo + atlas.step * cell);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / Math.max(1, values.length - 1)) };
}
