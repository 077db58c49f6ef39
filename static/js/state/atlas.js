// The maps of one block as the API packs them: 8-bit cells, or a grey PNG of them with the groups stacked from top to bottom.

const MIN_RANGE = 1e-4;

/** Decodes `{groups, height, width, lo, hi}` with `cells`, as of a binary answer, or with `png`, as of JSON. */
export async function decodeAtlas(record) {
  if (record.cells) return new Atlas(record, record.cells);
  const bytes = Uint8Array.from(atob(record.png), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const rgba = context.getImageData(0, 0, bitmap.width, bitmap.height).data;
  const grey = new Uint8Array(rgba.length / 4);
  for (let i = 0; i < grey.length; i += 1) grey[i] = rgba[4 * i];
  return new Atlas(record, grey);
}

export class Atlas {
  constructor({ groups, height, width, lo, hi }, grey) {
    Object.assign(this, { groups, height, width, lo, hi, grey });
    this.step = (hi - lo) / 255;
  }

  /** The 8-bit cells of one group, row by row. */
  cells(group) {
    const size = this.height * this.width;
    return this.grey.subarray(group * size, (group + 1) * size);
  }

  value(group, row, col) {
    return this.lo + this.step * this.cells(group)[row * this.width + col];
  }

  /** Smallest and largest value of one group. */
  range(group) {
    let low = 255;
    let high = 0;
    for (const cell of this.cells(group)) {
      if (cell < low) low = cell;
      if (cell > high) high = cell;
    }
    return [this.lo + this.step * low, this.lo + this.step * high];
  }

  /** Whether the map of a group is constant, as with an inactive gate. */
  isFlat(group) {
    const [low, high] = this.range(group);
    return high - low < MIN_RANGE;
  }

  /**
   * The values at the ends of the colour bar.
   *
   * `absolute` takes the largest value of the block, so that groups can be compared; `relative` takes the group's own
   * largest value. Similarity starts at 0, the mean of the map.
   */
  limits(group, scale, signal) {
    const [low, high] = scale === "absolute" ? [this.lo, this.hi] : this.range(group);
    return signal === "similarity" ? [Math.min(0, high), high] : [low, high];
  }
}
