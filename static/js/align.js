// Which block of one model stands for a block of another.

/** How deep a block lies, from 0 to 1. */
const depth = (blocks, at) => (blocks.length > 1 ? at / (blocks.length - 1) : 0);

/** Of the other's blocks with the same stride the one nearest in depth; of the nearest stride where none has it. */
export function corresponding(block, blocks, others) {
  const at = blocks.findIndex(({ name }) => name === block);
  const { stride } = blocks[at];
  const away = (other) => Math.abs(Math.log2(other.stride / stride));
  const nearest = Math.min(...others.map(away));
  return others
    .map((other, i) => ({ other, gap: Math.abs(depth(others, i) - depth(blocks, at)) }))
    .filter(({ other }) => away(other) === nearest)
    .sort((a, b) => a.gap - b.gap)[0].other.name;
}
