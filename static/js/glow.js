// Light of one group on a ground: coloured after enlarging, and shaded by the photo, so that a nose under it stays one.

// Of the colour bar's length: below this a colour fades out, so that the photo shows where nothing answers.
const FADE = 0.45;
const FADE_SHAPE = 1.2;
// How bright colour is over the photo's black and white.
const [OVER_BLACK, OVER_WHITE] = [0.5, 1.4];

const SHADED = Float32Array.from({ length: 256 }, (_, light) => OVER_BLACK + ((OVER_WHITE - OVER_BLACK) * light) / 255);

/** For every level 0..255: how much of the ground stays, and the light that is added to it. */
function shades(alpha, colour) {
  const table = new Float32Array(1024);
  for (let level = 0; level < 256; level += 1) {
    const a = alpha(level / 255);
    table[4 * level] = 1 - a;
    colour(level).forEach((part, c) => (table[4 * level + 1 + c] = a * part));
  }
  return table;
}

/** A colour map of 256 x 3 bytes. */
export function mapShades(map, opacity) {
  return shades(
    (level) => opacity * Math.min(1, level / FADE) ** FADE_SHAPE,
    (level) => map.subarray(3 * level, 3 * level + 3),
  );
}

/** One colour; squared, so that several meet where groups answer and not over the whole picture. */
export function plainShades(hex, opacity) {
  const rgb = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return shades((level) => opacity * level * level, () => rgb);
}

/**
 * Adds light to `pixels` of a ground that is `width` wide.
 *
 * @param box left, top, width, height that `levels` covers, in pixels; it may reach past the edges
 */
export function glow(pixels, light, width, levels, [left, top, w, h], table) {
  const height = light.length / width;
  for (let y = Math.max(0, -top); y < h && top + y < height; y += 1) {
    for (let x = Math.max(0, -left); x < w && left + x < width; x += 1) {
      const level = 4 * levels[y * w + x];
      if (level === 0) continue;
      const at = (top + y) * width + left + x;
      const shade = SHADED[light[at]];
      const p = 4 * at;
      pixels[p] = pixels[p] * table[level] + shade * table[level + 1];
      pixels[p + 1] = pixels[p + 1] * table[level] + shade * table[level + 2];
      pixels[p + 2] = pixels[p + 2] * table[level] + shade * table[level + 3];
    }
  }
}

/** What the network did not see lies in the dark. */
export function darkenOutside(pixels, width, height, [left, top, w, h], share = 0.42) {
  for (let y = 0; y < height; y += 1) {
    const inside = y >= top && y < top + h;
    for (let x = 0; x < width; x += 1) {
      if (inside && x >= left && x < left + w) continue;
      const p = 4 * (y * width + x);
      for (let c = p; c < p + 3; c += 1) pixels[c] *= share;
    }
  }
}

/** The colour bar, 256 x 1: the same light on a middling grey, so that bar and picture agree. */
export function paintBar(canvas, table) {
  Object.assign(canvas, { width: 256, height: 1 });
  const [grey, base] = [150, 120];
  const pixels = new Uint8ClampedArray(1024).map((_, i) => (i % 4 === 3 ? 255 : base));
  glow(pixels, new Uint8Array(256).fill(grey), 256, Uint8Array.from({ length: 256 }, (_, i) => i), [0, 0, 256, 1], table);
  canvas.getContext("2d").putImageData(new ImageData(pixels, 256, 1), 0, 0);
}
