// Draws the main view: the photo with an overlay of groups, of parts, or of Grad-CAM.

import { paintBoxes } from "./box-overlay.js";
import { colourTable, PIN_COLOURS } from "./colours.js";
import { blendMap, colourMapTable, darkenOutside, divergingTable, singleColourTable, visiblePart } from "./overlay.js";
import { paintParts } from "./part-overlay.js";
import { Photo } from "./photo.js";
import { levels } from "./resample.js";
import { differenceOf } from "../state/difference.js";
import { WHOLE } from "../state/zoom.js";

/** In place of a pin's colour: the two colours of a difference. */
export const DIVERGING = "diverging";
// Level 0 is not drawn, so that the limits of a difference lie a little beyond its ends.
const DIFFERENCE_MARGIN = 1.01;

/** The pin's colour of a shown group, or null for a single group, which is drawn in the colour map. */
export function colourOf(store, group) {
  return store.shown.length === 1 ? null : PIN_COLOURS[store.pinOf(group).slot];
}

/** The blend table for a pin's colour, for differences, or for the colour map if `colour` is null. */
export function blendTableFor({ state: { colormap, opacity } }, colour) {
  if (colour === DIVERGING) return divergingTable(opacity);
  return colour ? singleColourTable(colour, opacity) : colourMapTable(colourTable(colormap), opacity);
}

/** The values at the ends of the colour bar of Grad-CAM. */
export const gradCamLimits = (gradCam) => [0, gradCam.range(0)[1]];

/** How strongly the photo is dimmed; with an overlay strength of 0 it is unchanged. */
function dimmingFor(opacity) {
  return Math.min(1, 1.2 * opacity);
}

/** Draws the view of a store. The photo is kept at the last size, so that a preview only redraws the overlay. */
export class Painter {
  constructor(store) {
    this.store = store;
  }

  /** Draws a window of the image, by default all of it; the window has the canvas's proportions. */
  paint(canvas, window = WHOLE) {
    const { image } = this.store;
    const { width, height } = canvas;
    const { geometry } = image.analysis;
    const photo = this.photoAt(image, width, height, window);
    const box = boxOf(geometry, width, height, window);
    const difference = differenceOf(this.store);
    const view = difference ? "difference" : this.store.view;
    const pixels = difference ? this.withDifference(photo, box, difference) : view === "parts" ? photo.pixels(0) : view === "gradcam" ? this.withGradCam(photo, box) : this.withGroups(photo, box);
    if (geometry.framing === "center") darkenOutside(pixels, width, height, box);
    canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
    if (view === "parts") paintParts(canvas, image, box, this.store.state.opacity, window, this.store.state.markedFace);
    if (this.store.state.boxes) paintBoxes(canvas, image.analysis, window, this.store.state.markedBox);
  }

  /** The photo's pixels with the maps of the shown groups blended in. */
  withGroups(photo, box) {
    const { store } = this;
    const drawn = store.shown.filter(({ block, group }) => !store.atlas(block).isFlat(group));
    const pixels = photo.pixels(drawn.length > 0 ? dimmingFor(store.state.opacity) : 0);
    for (const shown of drawn) {
      const atlas = store.atlas(shown.block);
      this.blend(pixels, photo, box, atlas, shown.group, atlas.limits(shown.group, store.state.scale, store.signal), colourOf(store, shown));
    }
    return pixels;
  }

  /** The photo's pixels with Grad-CAM of the target blended in. */
  withGradCam(photo, box) {
    const { gradCam } = this.store.image;
    const pixels = photo.pixels(dimmingFor(this.store.state.opacity));
    this.blend(pixels, photo, box, gradCam, 0, gradCamLimits(gradCam), null);
    return pixels;
  }

  /** The photo's pixels with the difference between two models. */
  withDifference(photo, box, difference) {
    const pixels = photo.pixels(dimmingFor(this.store.state.opacity));
    const limit = DIFFERENCE_MARGIN * difference.limit;
    if (limit > 0) this.blend(pixels, photo, box, difference, 0, [-limit, limit], DIVERGING);
    return pixels;
  }

  /** Blends the visible part of one map into the pixels. */
  blend(pixels, photo, box, atlas, group, limits, colour) {
    const seen = visiblePart(box, photo);
    if (seen === null) return;
    const bytes = levels(atlas, group, limits, box[2], box[3], [seen[0] - box[0], seen[1] - box[1], seen[2], seen[3]]);
    blendMap(pixels, photo.luminance, photo.width, bytes, seen, blendTableFor(this.store, colour));
  }

  photoAt(image, width, height, window) {
    const crop = [window.left, window.top, window.width, window.height];
    const key = [image.key, image.element?.src, width, height, ...crop].join();
    if (key !== this.key) {
      this.key = key;
      this.photo = new Photo(image.element, width, height, crop);
    }
    return this.photo;
  }
}

/** The window that the network saw: left, top, width and height in pixels of a canvas that shows `shown` of the image. */
function boxOf({ image, window: seen }, width, height, shown) {
  const [left, right] = [seen[0], seen[2]].map((x) => Math.round(((x / image[0] - shown.left) / shown.width) * width));
  const [top, bottom] = [seen[1], seen[3]].map((y) => Math.round(((y / image[1] - shown.top) / shown.height) * height));
  return [left, top, Math.max(1, right - left), Math.max(1, bottom - top)];
}
