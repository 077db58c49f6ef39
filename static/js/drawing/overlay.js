// Draws a group's map over a photo. Colours are applied after the map is enlarged and are shaded by the photo's
// luminance, so that the shapes in the photo remain visible under them.

import { rgbOf } from "./colours.js";

// Below this fraction of the colour bar, a colour fades out and the photo shows.
const FADE = 0.45;
const FADE_EXPONENT = 1.2;
// Brightness of a colour over black and over white parts of the photo.
const [OVER_BLACK, OVER_WHITE] = [0.5, 1.4];

const SHADING = Float32Array.from({ length: 256 }, (_, luminance) => OVER_BLACK + ((OVER_WHITE - OVER_BLACK) * luminance) / 255);

/** For every level 0..255: the weight of the photo, and the colour (3 values) that is added to it. */
function blendTable(alpha, colour) {
  const table = new Float32Array(1024);
  for (let level = 0; level < 256; level += 1) {
    const a = alpha(level / 255);
    table[4 * level] = 1 - a;
    colour(level).forEach((channel, c) => (table[4 * level + 1 + c] = a * channel));
  }
  return table;
}

/** The blend table of a colour map of 256 x 3 bytes. */
export function colourMapTable(map, opacity) {
  return blendTable(
    (level) => opacity * Math.min(1, level / FADE) ** FADE_EXPONENT,
    (level) => map.subarray(3 * level, 3 * level + 3),
  );
}

/** The blend table of a single colour. Alpha is the level squared, so that low values of several groups do not add up. */
export function singleColourTable(hex, opacity) {
  const rgb = rgbOf(hex);
  return blendTable((level) => opacity * level * level, () => rgb);
}

// The ends of the colours of differences: below and above 0. Distinguishable with every kind of colour vision.
const [BELOW, ABOVE] = [rgbOf("#1f8bff"), rgbOf("#ff6a1f")];
const DIVERGING_EXPONENT = 0.8;

/** The blend table of differences: level 128 is 0 and shows the photo, the ends have the two colours. */
export function divergingTable(opacity) {
  const distance = (level) => Math.min(1, Math.abs(level - 128) / 127);
  return blendTable((level) => opacity * distance(255 * level) ** DIVERGING_EXPONENT, (level) => (level < 128 ? BELOW : ABOVE));
}

/**
 * Blends a map into `pixels` (RGBA) of a photo that is `width` pixels wide.
 *
 * @param luminance of the photo, 0..255, one value a pixel
 * @param levels the map in 0..255, at the size of the box
 * @param box left, top, width and height of the map in pixels; it may extend beyond the photo
 */
export function blendMap(pixels, luminance, width, levels, [left, top, w, h], table) {
  const height = luminance.length / width;
  for (let y = Math.max(0, -top); y < h && top + y < height; y += 1) {
    for (let x = Math.max(0, -left); x < w && left + x < width; x += 1) {
      const level = 4 * levels[y * w + x];
      if (level === 0) continue;
      const at = (top + y) * width + left + x;
      const shade = SHADING[luminance[at]];
      const p = 4 * at;
      pixels[p] = pixels[p] * table[level] + shade * table[level + 1];
      pixels[p + 1] = pixels[p + 1] * table[level] + shade * table[level + 2];
      pixels[p + 2] = pixels[p + 2] * table[level] + shade * table[level + 3];
    }
  }
}

/** The part of a box (left, top, width, height) that lies in a canvas, or null. */
export function visiblePart([left, top, w, h], { width, height }) {
  const [x, y] = [Math.max(0, left), Math.max(0, top)];
  const part = [x, y, Math.min(width, left + w) - x, Math.min(height, top + h) - y];
  return part[2] > 0 && part[3] > 0 ? part : null;
}

/** Darkens the pixels outside the window that the network saw. */
export function darkenOutside(pixels, width, height, [left, top, w, h], factor = 0.42) {
  for (let y = 0; y < height; y += 1) {
    const inside = y >= top && y < top + h;
    for (let x = 0; x < width; x += 1) {
      if (inside && x >= left && x < left + w) continue;
      const p = 4 * (y * width + x);
      for (let c = p; c < p + 3; c += 1) pixels[c] *= factor;
    }
  }
}

/** The colour bar, 256 x 1 pixels: the same blend over medium grey, so that the bar matches the overlay. */
export function paintColourBar(canvas, table) {
  Object.assign(canvas, { width: 256, height: 1 });
  const [luminance, base] = [150, 120];
  const pixels = new Uint8ClampedArray(1024).map((_, i) => (i % 4 === 3 ? 255 : base));
  blendMap(pixels, new Uint8Array(256).fill(luminance), 256, Uint8Array.from({ length: 256 }, (_, i) => i), [0, 0, 256, 1], table);
  canvas.getContext("2d").putImageData(new ImageData(pixels, 256, 1), 0, 0);
}
