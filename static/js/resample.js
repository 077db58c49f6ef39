// Enlarges a map smoothly, as numbers and before it is coloured: cubic, like the Pillow filter of the server's overlays.

const SHARPNESS = -0.5;

function weight(x) {
  const at = Math.abs(x);
  if (at < 1) return ((SHARPNESS + 2) * at - (SHARPNESS + 3)) * at * at + 1;
  if (at < 2) return (((at - 5) * at + 8) * at - 4) * SHARPNESS;
  return 0;
}

/** For every place of the target: where its source places begin, how many they are, and how much each counts. */
function taps(source, target) {
  const ratio = source / target;
  const wide = Math.max(1, ratio);
  return Array.from({ length: target }, (_, i) => {
    const centre = (i + 0.5) * ratio;
    const from = Math.max(0, Math.floor(centre - 2 * wide + 0.5));
    const to = Math.min(source, Math.floor(centre + 2 * wide + 0.5));
    const weights = Float32Array.from({ length: to - from }, (_none, k) => weight((from + k + 0.5 - centre) / wide));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { from, weights: weights.map((one) => one / sum) };
  });
}

/** `cells` of `width` x `height`, row by row, as floats of `toWidth` x `toHeight`. */
export function enlarged(cells, width, height, toWidth, toHeight) {
  const across = taps(width, toWidth);
  const rows = new Float32Array(height * toWidth);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < toWidth; x += 1) {
      const { from, weights } = across[x];
      let sum = 0;
      for (let k = 0; k < weights.length; k += 1) sum += weights[k] * cells[y * width + from + k];
      rows[y * toWidth + x] = sum;
    }
  }
  const out = new Float32Array(toHeight * toWidth);
  taps(height, toHeight).forEach(({ from, weights }, y) => {
    const line = out.subarray(y * toWidth, (y + 1) * toWidth);
    weights.forEach((one, k) => {
      const row = rows.subarray((from + k) * toWidth, (from + k + 1) * toWidth);
      for (let x = 0; x < toWidth; x += 1) line[x] += one * row[x];
    });
  });
  return out;
}

/** One group's map at `width` x `height`, as bytes: 0 at the lower limit, 255 at the upper. */
export function levels(atlas, group, [low, high], width, height) {
  const cells = enlarged(atlas.cells(group), atlas.width, atlas.height, width, height);
  const factor = high > low ? 255 / (high - low) : 0;
  const [slope, offset] = [atlas.step * factor, (atlas.lo - low) * factor];
  const bytes = new Uint8ClampedArray(cells.length);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = slope * cells[i] + offset;
  return bytes;
}
