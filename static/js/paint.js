// The view: photo, and the shown groups' light on it.

import { colourTable, PIN_COLOURS } from "./colours.js";
import { darkenOutside, glow, mapShades, plainShades } from "./glow.js";
import { Ground } from "./ground.js";
import { levels } from "./resample.js";
import { store } from "./store.js";

/** The colour of a shown group: its pin's; none for a single one, which has the colour map. */
export function colourOf(one, shown) {
  return shown.length === 1 ? null : PIN_COLOURS[store.pinOf(one).slot];
}

/** Level to light, for a pin's colour or for the colour map. */
export function shadesFor(colour) {
  const { colormap, opacity } = store.state;
  return colour ? plainShades(colour, opacity) : mapShades(colourTable(colormap), opacity);
}

/** How far the photo steps back; with the light off it is itself. */
export function strength() {
  return Math.min(1, 1.2 * store.state.opacity);
}

/** Keeps the photo at the last size, so that a preview costs only its light. */
export class Painter {
  paint(canvas) {
    const { picture, shown, signal } = store;
    const { width, height } = canvas;
    const ground = this.groundOf(picture, width, height);
    const box = boxOf(picture.analysis.geometry, width, height);
    const acting = shown.filter((one) => !store.atlas(one.block).isFlat(one.group));
    const pixels = ground.pixels(acting.length > 0 ? strength() : 0);
    for (const one of acting) {
      const atlas = store.atlas(one.block);
      const limits = atlas.limits(one.group, store.state.scale, signal);
      glow(pixels, ground.light, width, levels(atlas, one.group, limits, box[2], box[3]), box, shadesFor(colourOf(one, shown)));
    }
    if (picture.analysis.geometry.framing === "center") darkenOutside(pixels, width, height, box);
    canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
  }

  groundOf(picture, width, height) {
    const key = [picture.key, width, height].join();
    if (key !== this.key) {
      this.key = key;
      this.ground = new Ground(picture.image, width, height);
    }
    return this.ground;
  }
}

/** The window that the network saw: left, top, width, height in pixels of the canvas. */
function boxOf({ picture, window: seen }, width, height) {
  const [left, right] = [seen[0], seen[2]].map((x) => Math.round((x * width) / picture[0]));
  const [top, bottom] = [seen[1], seen[3]].map((y) => Math.round((y * height) / picture[1]));
  return [left, top, Math.max(1, right - left), Math.max(1, bottom - top)];
}
