// Maps positions in the image to cells of a block, and ranks groups at a position.

/** The cell of a block at a position in the upright image, or null outside the window that the network saw. */
export function cellAt({ window: [left, top, right, bottom] }, { height, width }, { x, y }) {
  if (x < left || x >= right || y < top || y >= bottom) return null;
  const col = Math.min(width - 1, Math.floor(((x - left) / (right - left)) * width));
  const row = Math.min(height - 1, Math.floor(((y - top) / (bottom - top)) * height));
  return { row, col };
}

/** Whether the model gives the similarity of every block; a file that somebody else made may have masks alone. */
export const hasSimilarity = ({ blocks }) => blocks.every(({ signals }) => !signals || signals.includes("similarity"));

/**
 * The `count` groups of all blocks whose maps are there with the highest similarity at a position: `{block, group, value}`;
 * where a model gives none, with the highest mask.
 *
 * The list is empty outside the window that the network saw.
 */
export function rankGroups({ analysis, atlases }, point, count) {
  const ranked = [];
  const maps = hasSimilarity(analysis) ? atlases.similarity : atlases.mask;
  for (const block of analysis.blocks) {
    const cell = cellAt(analysis.geometry, block, point);
    if (!cell) return [];
    const atlas = maps.get(block.name);
    if (!atlas) continue;
    for (let group = 0; group < block.groups; group += 1) {
      ranked.push({ block: block.name, group, value: atlas.value(group, cell.row, cell.col) });
    }
  }
  return ranked.sort((a, b) => b.value - a.value).slice(0, count);
}
