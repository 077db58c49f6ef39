// The difference of a group's map between the two models of a comparison: second minus first.

/** The difference as an atlas of one map; its colour bar is symmetric. */
class DifferenceMap {
  constructor(group, cells, { height, width }, limit) {
    Object.assign(this, { group, differences: cells, height, width, limit, groups: 1, lo: 0, step: 1 });
  }

  cells() {
    return this.differences;
  }

  value(_group, row, col) {
    return this.differences[row * this.width + col];
  }
}

function differenceCells(left, right, group) {
  const [a, b] = [left.cells(group), right.cells(group)];
  return Float32Array.from(b, (value, i) => right.lo + right.step * value - (left.lo + left.step * a[i]));
}

const largest = (cells) => cells.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** The shown group, and its maps in both models; null without a comparison, or where the first model has no such map. */
function both(store) {
  const { first } = store;
  if (!first?.image || !store.image) return null;
  const group = store.shown[0];
  const [left, right] = [first.atlas(group.block, store.signal), store.atlas(group.block)];
  const fits = left && left.groups === right.groups && left.height === right.height && left.width === right.width;
  return fits ? { group, left, right } : null;
}

/** Whether the difference of the shown group exists: both models have its block with the same groups and cells. */
export const hasDifference = (store) => both(store) !== null;

/**
 * The difference of the shown group in the second model's store, or null where it is not chosen or does not exist.
 *
 * With the absolute scale, the colour bar reaches the largest difference of the block.
 */
export function differenceOf(store) {
  const maps = store.state.difference ? both(store) : null;
  if (!maps) return null;
  const { group, left, right } = maps;
  const cells = differenceCells(left, right, group.group);
  const isAbsolute = store.state.scale === "absolute";
  const limit = isAbsolute ? Math.max(...[...Array(right.groups).keys()].map((number) => largest(differenceCells(left, right, number)))) : largest(cells);
  return new DifferenceMap(group, cells, right, limit);
}
