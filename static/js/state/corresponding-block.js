// Finds the block of one model that corresponds to a block of another model.

/** Relative depth of a block in its network, from 0 to 1. */
const depth = (blocks, index) => (blocks.length > 1 ? index / (blocks.length - 1) : 0);

/**
 * The name of the block in `others` that corresponds to `block` of `blocks`.
 *
 * Among the blocks with the nearest stride (on a log scale), it is the one with the nearest relative depth.
 */
export function correspondingBlock(block, blocks, others) {
  const index = blocks.findIndex(({ name }) => name === block);
  const { stride } = blocks[index];
  const distance = (other) => Math.abs(Math.log2(other.stride / stride));
  const nearest = Math.min(...others.map(distance));
  return others
    .map((other, i) => ({ other, gap: Math.abs(depth(others, i) - depth(blocks, index)) }))
    .filter(({ other }) => distance(other) === nearest)
    .sort((a, b) => a.gap - b.gap)[0].other.name;
}
