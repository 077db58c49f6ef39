// The maps of the tour: the channels of the group cell by cell, or one map over the photo. One cell is marked in all of them.

import { make } from "../dom.js";
import { colourTable } from "../drawing/colours.js";
import { blendMap, colourMapTable, paintColourBar } from "../drawing/overlay.js";
import { Photo } from "../drawing/photo.js";
import { levels } from "../drawing/resample.js";
import { ends, significant } from "../format.js";

const MAX_CHANNELS = 36;
// Longer side of the map over the photo, in pixels of its canvas.
const MAP_SIDE = 720;
const OPACITY = 0.9;

/** The channels as maps of cells in one scale, with a number under each. */
export function channelMaps(atlas, limits, notes, colormap, cell) {
  const count = Math.min(MAX_CHANNELS, atlas.groups);
  const table = colourTable(colormap);
  const tiles = Array.from({ length: count }, (_, channel) =>
    make("span", { class: "channel", title: `channel ${channel}` }, make("span", { class: "map-box" }, cellsOf(atlas, channel, limits, table), cellMark(atlas, cell)), make("span", { class: "note" }, significant(notes[channel]))),
  );
  const root = make("div", { class: "channels" }, ...tiles);
  // As many columns as make the whole about square.
  const columns = Math.min(count, Math.max(1, Math.ceil(Math.sqrt((count * atlas.height) / atlas.width))));
  const rows = Math.ceil(count / columns);
  root.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  root.style.setProperty("--rows", rows);
  root.style.setProperty("--shape", (columns * atlas.width) / (rows * atlas.height));
  const rest = atlas.groups > count ? make("p", { class: "quiet" }, `The first ${count} of ${atlas.groups} channels.`) : null;
  return make("div", { class: "channel-maps" }, root, rest);
}

function cellsOf(atlas, channel, [low, high], table) {
  const canvas = make("canvas", { width: atlas.width, height: atlas.height, "aria-hidden": "true" });
  const pixels = new ImageData(atlas.width, atlas.height);
  atlas.cells(channel).forEach((grey, i) => {
    const share = (atlas.lo + atlas.step * grey - low) / Math.max(high - low, 1e-9);
    const level = 3 * Math.round(255 * Math.min(1, Math.max(0, share)));
    pixels.data.set([table[level], table[level + 1], table[level + 2], 255], 4 * i);
  });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

/** One map over the photo, with the values at the ends of its colours. */
export function mapOverPhoto(image, atlas, limits, colormap, cell) {
  const { image: [w, h], window: [left, top, right, bottom] } = image.analysis.geometry;
  const factor = MAP_SIDE / Math.max(right - left, bottom - top);
  const [width, height] = [Math.max(1, Math.round((right - left) * factor)), Math.max(1, Math.round((bottom - top) * factor))];
  const canvas = make("canvas", { width, height, "aria-hidden": "true" });
  const photo = new Photo(image.element, width, height, [left / w, top / h, (right - left) / w, (bottom - top) / h]);
  const pixels = photo.pixels(1);
  if (limits[1] - limits[0] > 1e-4) {
    const table = colourMapTable(colourTable(colormap), OPACITY);
    blendMap(pixels, photo.luminance, width, levels(atlas, 0, limits, width, height), [0, 0, width, height], table);
  }
  canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
  const box = make("div", { class: "map-box large" }, canvas, cellMark(atlas, cell));
  box.style.setProperty("--shape", width / height);
  return box;
}

/** The outline of the marked cell. */
function cellMark({ height, width }, { row, col }) {
  const mark = make("i", { class: "cell-mark" });
  Object.assign(mark.style, { left: `${(100 * col) / width}%`, top: `${(100 * row) / height}%`, width: `${100 / width}%`, height: `${100 / height}%` });
  return mark;
}

/** The cell of a map at a position on the screen, over any of the maps of the tour; or null. */
export function cellUnder({ height, width }, event) {
  const box = event.target.closest?.(".map-box")?.getBoundingClientRect();
  if (!box) return null;
  const within = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
  return { row: within((event.clientY - box.top) / box.height, height), col: within((event.clientX - box.left) / box.width, width) };
}

/** The colours of the maps with the values at both ends; `isOverlay`: as they look over the photo. */
export function scaleBar(name, limits, colormap, isOverlay) {
  const canvas = make("canvas", { "aria-hidden": "true" });
  const table = colourTable(colormap);
  if (isOverlay) paintColourBar(canvas, colourMapTable(table, OPACITY));
  else {
    Object.assign(canvas, { width: 256, height: 1 });
    const pixels = new ImageData(256, 1);
    for (let i = 0; i < 256; i += 1) pixels.data.set([...table.subarray(3 * i, 3 * i + 3), 255], 4 * i);
    canvas.getContext("2d").putImageData(pixels, 0, 0);
  }
  const [from, to] = ends(...limits).map((text) => make("span", {}, text));
  return make("p", { class: "scale" }, make("span", { class: "scale-name" }, name), from, make("span", { class: "colour-bar" }, canvas), to);
}
