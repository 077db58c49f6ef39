// The view: photo, and on it the shown groups' light, or the parts'.

import { colourTable, PIN_COLOURS } from "./colours.js";
import { darkenOutside, glow, mapShades, plainShades } from "./glow.js";
import { Ground } from "./ground.js";
import { paintParts } from "./paint-parts.js";
import { levels } from "./resample.js";

/** The colour of a shown group: its pin's; none for a single one, which has the colour map. */
export function colourOf(store, one) {
  return store.shown.length === 1 ? null : PIN_COLOURS[store.pinOf(one).slot];
}

/** Level to light, for a pin's colour or for the colour map. */
export function shadesFor({ state: { colormap, opacity } }, colour) {
  return colour ? plainShades(colour, opacity) : mapShades(colourTable(colormap), opacity);
}

/** How far the photo steps back; with the light off it is itself. */
function strength(opacity) {
  return Math.min(1, 1.2 * opacity);
}

/** Keeps the photo at the last size, so that a preview costs only its light. */
export class Painter {
  constructor(store) {
    this.store = store;
  }

  paint(canvas) {
    const { picture } = this.store;
    const { width, height } = canvas;
    const { geometry } = picture.analysis;
    const ground = this.groundOf(picture, width, height);
    const box = boxOf(geometry, width, height);
    const pixels = this.store.view === "parts" ? ground.pixels(0) : this.lit(ground, box);
    if (geometry.framing === "center") darkenOutside(pixels, width, height, box);
    canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
    if (this.store.view === "parts") paintParts(canvas, picture, box, this.store.state.opacity);
  }

  /** The photo in the light of the shown groups. */
  lit(ground, box) {
    const { store } = this;
    const acting = store.shown.filter((one) => !store.atlas(one.block).isFlat(one.group));
    const pixels = ground.pixels(acting.length > 0 ? strength(store.state.opacity) : 0);
    for (const one of acting) {
      const atlas = store.atlas(one.block);
      const limits = atlas.limits(one.group, store.state.scale, store.signal);
      const bytes = levels(atlas, one.group, limits, box[2], box[3]);
      glow(pixels, ground.light, ground.width, bytes, box, shadesFor(store, colourOf(store, one)));
    }
    return pixels;
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
