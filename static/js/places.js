// Where a point of the picture lies in a block's maps, and which groups answer there.

/** The cell of a block over a point of the upright picture, or null where the network did not see it. */
export function cellAt({ window: [left, top, right, bottom] }, { height, width }, { x, y }) {
  if (x < left || x >= right || y < top || y >= bottom) return null;
  const col = Math.min(width - 1, Math.floor(((x - left) / (right - left)) * width));
  const row = Math.min(height - 1, Math.floor(((y - top) / (bottom - top)) * height));
  return { row, col };
}

/** Every group of every block by its similarity at the point, strongest first; none where nothing was seen. */
export function rank({ analysis, atlases }, point, count) {
  const answers = [];
  for (const block of analysis.blocks) {
    const cell = cellAt(analysis.geometry, block, point);
    if (!cell) return [];
    const atlas = atlases.similarity.get(block.name);
    for (let group = 0; group < block.groups; group += 1) {
      answers.push({ block: block.name, group, value: atlas.value(group, cell.row, cell.col) });
    }
  }
  return answers.sort((a, b) => b.value - a.value).slice(0, count);
}
