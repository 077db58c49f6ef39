// One group as a small picture, the photo in its light, that previews on hover and pins on click.

import { colourTable, PIN_COLOURS } from "./colours.js";
import { groupName, make, percent } from "./dom.js";
import { glow, mapShades } from "./glow.js";
import { Ground } from "./ground.js";
import { dot, kindName, mixesOf } from "./parts.js";
import { levels } from "./resample.js";

// A tile's area in the layout is this squared, whatever the picture's shape.
const SIDE = 76;
const [NARROWEST, WIDEST] = [54, 160];
const OPACITY = 0.9;
let ground = { key: null };

/** Width of a tile in CSS pixels, and its height for each pixel of width. */
export function tileShape({ geometry: { window: seen } }) {
  const aspect = (seen[2] - seen[0]) / (seen[3] - seen[1]);
  return { width: Math.round(Math.min(WIDEST, Math.max(NARROWEST, SIDE * Math.sqrt(aspect)))), aspect };
}

/** The part of the photo that the network saw, small; the same for all tiles of a wall. */
function groundFor(picture, width, height) {
  const key = [picture.key, picture.version, width, height].join();
  if (ground.key !== key) {
    const { picture: [w, h], window: [left, top, right, bottom] } = picture.analysis.geometry;
    ground = new Ground(picture.image, width, height, [left / w, top / h, (right - left) / w, (bottom - top) / h]);
    ground.key = key;
  }
  return ground;
}

function paintTile(canvas, store, one, atlas) {
  const { picture, signal } = store;
  const { width, aspect } = tileShape(picture.analysis);
  const density = 1.3 * Math.min(2, window.devicePixelRatio || 1);
  canvas.width = Math.round(width * density);
  canvas.height = Math.max(8, Math.round((width * density) / aspect));
  const small = groundFor(picture, canvas.width, canvas.height);
  const pixels = small.pixels(1);
  if (!atlas.isFlat(one.group)) {
    const bytes = levels(atlas, one.group, atlas.limits(one.group, store.state.scale, signal), canvas.width, canvas.height);
    const shades = mapShades(colourTable(store.state.colormap), OPACITY);
    glow(pixels, small.light, canvas.width, bytes, [0, 0, canvas.width, canvas.height], shades);
  }
  canvas.getContext("2d").putImageData(new ImageData(pixels, canvas.width, canvas.height), 0, 0);
}

/** A button for `{block, group}`; `note` is the number beside its name, `said` the same in words. */
export function makeTile(store, one, { note, said, label = `g${one.group}`, mark = null }) {
  const atlas = store.atlas(one.block);
  const flat = atlas.isFlat(one.group);
  const mixes = mixesOf(store.picture.analysis, one);
  const canvas = make("canvas", { "aria-hidden": "true" });
  paintTile(canvas, store, one, atlas);
  const words = [flat ? "flat, the picture does not move it" : said, ...mixes.map(({ kind, weight }) => `${percent(weight)} of the ${kind} mix`)].join(", ");
  const preview = (on) => store.set({ hover: on ? one : null });
  return make(
    "button",
    {
      type: "button",
      class: flat ? "tile flat" : "tile",
      "data-block-of": one.block,
      "data-group": one.group,
      "aria-label": `${groupName(one)}, ${words}`,
      title: `${groupName(one)}: ${words}`,
      onclick: () => store.togglePin(one),
      onpointerenter: (event) => event.pointerType === "mouse" && preview(true),
      onpointerleave: (event) => event.pointerType === "mouse" && preview(false),
      onfocus: (event) => event.target.matches(":focus-visible") && preview(true),
      onblur: () => preview(false),
    },
    make("span", { class: "tile-face" }, canvas, mark && pointMark(mark), mixes.length > 0 ? partMarks(mixes) : null),
    make("span", { class: "tile-caption" }, make("span", {}, label), make("span", { class: "tile-note" }, flat ? "flat" : note)),
  );
}

/** Where the visitor has pointed. */
function pointMark({ x, y }) {
  const mark = make("i", { class: "tile-mark" });
  Object.assign(mark.style, { left: `${100 * x}%`, top: `${100 * y}%` });
  return mark;
}

/** Which parts the group helps to find. */
function partMarks(mixes) {
  return make("span", { class: "tile-parts", title: mixes.map(({ kind }) => kindName(kind)).join(", ") }, ...mixes.map(({ kind }) => dot(kind)));
}

/** Marks the tiles that are pinned, in their colours. */
export function markPins(root, store) {
  for (const tile of root.querySelectorAll(".tile")) {
    const one = { block: tile.dataset.blockOf, group: Number(tile.dataset.group) };
    const pin = store.pinOf(one);
    tile.setAttribute("aria-pressed", String(Boolean(pin)));
    tile.style.setProperty("--pin", pin ? PIN_COLOURS[pin.slot] : "transparent");
  }
}
