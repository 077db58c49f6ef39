// Enlarges maps by cubic interpolation, as Pillow does for the service's overlays. Values are enlarged, not colours.

// The parameter `a` of the cubic kernel (Keys 1981); Pillow has the same value.
const SHARPNESS = -0.5;

function weight(x) {
  const at = Math.abs(x);
  if (at < 1) return ((SHARPNESS + 2) * at - (SHARPNESS + 3)) * at * at + 1;
  if (at < 2) return (((at - 5) * at + 8) * at - 4) * SHARPNESS;
  return 0;
}

/** For `count` target positions from `first` on: the first source position, and the weights of the source from there. */
function taps(source, target, first = 0, count = target) {
  const ratio = source / target;
  const scale = Math.max(1, ratio);
  return Array.from({ length: count }, (_, i) => {
    const centre = (first + i + 0.5) * ratio;
    const from = Math.max(0, Math.floor(centre - 2 * scale + 0.5));
    const to = Math.min(source, Math.floor(centre + 2 * scale + 0.5));
    const weights = Float32Array.from({ length: to - from }, (_none, k) => weight((from + k + 0.5 - centre) / scale));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { from, weights: weights.map((value) => value / sum) };
  });
}

/**
 * Enlarges `cells` of `width` x `height`, row by row, to floats of `toWidth` x `toHeight`.
 *
 * @param window left, top, width and height of the part of the result that is computed; by default all of it
 */
export function enlarged(cells, width, height, toWidth, toHeight, window = [0, 0, toWidth, toHeight]) {
  const [left, top, w, h] = window;
  const across = taps(width, toWidth, left, w);
  const rows = new Float32Array(height * w);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < w; x += 1) {
      const { from, weights } = across[x];
      let sum = 0;
      for (let k = 0; k < weights.length; k += 1) sum += weights[k] * cells[y * width + from + k];
      rows[y * w + x] = sum;
    }
  }
  const out = new Float32Array(h * w);
  taps(height, toHeight, top, h).forEach(({ from, weights }, y) => {
    const line = out.subarray(y * w, (y + 1) * w);
    weights.forEach((value, k) => {
      const row = rows.subarray((from + k) * w, (from + k + 1) * w);
      for (let x = 0; x < w; x += 1) line[x] += value * row[x];
    });
  });
  return out;
}

/** The map of one group at `width` x `height` as bytes: 0 at the lower limit, 255 at the upper limit; or a window of it. */
export function levels(atlas, group, [low, high], width, height, window) {
  const cells = enlarged(atlas.cells(group), atlas.width, atlas.height, width, height, window);
  const factor = high > low ? 255 / (high - low) : 0;
  const [slope, offset] = [atlas.step * factor, (atlas.lo - low) * factor];
  const bytes = new Uint8ClampedArray(cells.length);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = slope * cells[i] + offset;
  return bytes;
}
