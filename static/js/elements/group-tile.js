// A button that shows the map of one group over a small photo. It previews the group on hover, pins it on click, and has
// a second button that switches the group off.

import { make } from "../dom.js";
import { colourTable, PIN_COLOURS } from "../drawing/colours.js";
import { blendMap, colourMapTable } from "../drawing/overlay.js";
import { Photo } from "../drawing/photo.js";
import { levels } from "../drawing/resample.js";
import { groupName } from "../format.js";
import { hasGroups } from "../state/effect.js";
import { kindName, weightsOf } from "../state/parts.js";
import { isSameGroup } from "../state/store.js";
import { toggleOff } from "../state/switched-off.js";
import { partDot } from "./part-dot.js";
import { markOff, switchOffButton } from "./switch-off-button.js";

// Side in CSS pixels of a square with the area of a tile. All aspect ratios have this area, within the width limits.
const SIDE = 76;
const [MIN_WIDTH, MAX_WIDTH] = [54, 160];
const OPACITY = 0.9;
let cachedPhoto = { key: null, photo: null };

/** Width of a tile in CSS pixels, and the aspect ratio of the window that the network saw. */
export function tileShape({ geometry: { window: seen } }) {
  const aspect = (seen[2] - seen[0]) / (seen[3] - seen[1]);
  return { width: Math.round(Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, SIDE * Math.sqrt(aspect)))), aspect };
}

/** The window that the network saw at the size of a tile. All tiles of a grid share it. */
function photoFor(image, width, height) {
  const key = [image.key, image.version, width, height].join();
  if (cachedPhoto.key !== key) {
    const { image: [w, h], window: [left, top, right, bottom] } = image.analysis.geometry;
    const crop = [left / w, top / h, (right - left) / w, (bottom - top) / h];
    cachedPhoto = { key, photo: new Photo(image.element, width, height, crop) };
  }
  return cachedPhoto.photo;
}

function paintTile(canvas, store, { group }, atlas) {
  const { image, signal } = store;
  const { width, aspect } = tileShape(image.analysis);
  const density = 1.3 * Math.min(2, window.devicePixelRatio || 1);
  canvas.width = Math.round(width * density);
  canvas.height = Math.max(8, Math.round((width * density) / aspect));
  const photo = photoFor(image, canvas.width, canvas.height);
  const pixels = photo.pixels(1);
  if (!atlas.isFlat(group)) {
    const bytes = levels(atlas, group, atlas.limits(group, store.state.scale, signal), canvas.width, canvas.height);
    const table = colourMapTable(colourTable(store.state.colormap), OPACITY);
    blendMap(pixels, photo.luminance, canvas.width, bytes, [0, 0, canvas.width, canvas.height], table);
  }
  canvas.getContext("2d").putImageData(new ImageData(pixels, canvas.width, canvas.height), 0, 0);
}

/**
 * A button for a group, which is a `{block, group}`, and beside it the button that switches the group off.
 *
 * @param note the number beside the label
 * @param description the number in words
 * @param mark a position in the tile, as fractions, at which a circle is drawn
 * @param below a second line under the tile
 */
export function makeTile(store, group, { note, description, label = `g${group.group}`, mark = null, below = null }) {
  const atlas = store.atlas(group.block);
  const flat = atlas.isFlat(group.group);
  const weights = weightsOf(store.image.analysis, group);
  const canvas = make("canvas", { "aria-hidden": "true" });
  paintTile(canvas, store, group, atlas);
  const facts = [flat ? "flat, the same for every image" : description, ...weights.map(({ share }) => share)].join(", ");
  const canSwitch = !store.state.offline && hasGroups(store.image);
  // The name begins with the visible text, so that speech input finds the tile by what it shows.
  const words = `${[label, flat ? "flat" : note, below].filter((each) => each != null).join(" ")}: ${groupName(group)}, ${facts}`;
  const tile = make(
    "button",
    {
      type: "button",
      class: flat ? "tile flat" : "tile",
      "data-block-of": group.block,
      "data-group": group.group,
      "data-words": words,
      "aria-label": words,
      "aria-keyshortcuts": canSwitch ? "x Delete" : null,
      title: `${groupName(group)}: ${facts}`,
      onclick: () => store.togglePin(group),
      onkeydown: (event) => canSwitch && switchByKey(event, store, group),
      onfocus: (event) => event.target.matches(":focus-visible") && store.set({ hover: group }),
      onblur: () => store.set({ hover: null }),
    },
    make("span", { class: "tile-face" }, canvas, mark && pointMark(mark), weights.length > 0 ? partDots(weights) : null, make("span", { class: "tile-off" }, "off")),
    " ",
    make("span", { class: "tile-caption" }, make("span", { class: "tile-label" }, label), " ", make("span", { class: "tile-note" }, flat ? "flat" : note)),
    " ",
    below && make("span", { class: "tile-below" }, below),
  );
  // The preview stays while the pointer is over the second button.
  const preview = (on) => (event) => event.pointerType === "mouse" && store.set({ hover: on ? group : null });
  return make("div", { class: "tile-cell", onpointerenter: preview(true), onpointerleave: preview(false) }, tile, canSwitch ? switchOffButton(store, group, { tabindex: "-1" }) : null);
}

function switchByKey(event, store, group) {
  if (event.ctrlKey || event.metaKey || event.altKey || !["x", "X", "Delete"].includes(event.key)) return;
  event.preventDefault();
  toggleOff(store, [group]);
}

/** A circle at the point that the visitor clicked. */
function pointMark({ x, y }) {
  const mark = make("i", { class: "tile-mark" });
  Object.assign(mark.style, { left: `${100 * x}%`, top: `${100 * y}%` });
  return mark;
}

/** A dot for each part for which the group is listed. */
function partDots(weights) {
  return make("span", { class: "tile-parts", title: weights.map(({ kind }) => kindName(kind)).join(", ") }, ...weights.map(({ kind }) => partDot(kind)));
}

/** Marks the tiles of pinned groups in the colours of their pins, the shown groups, and those that are switched off. */
export function markTiles(root, store) {
  const shown = store.view === "groups" ? store.shown : [];
  for (const tile of root.querySelectorAll(".tile")) {
    const group = { block: tile.dataset.blockOf, group: Number(tile.dataset.group) };
    const pin = store.pinOf(group);
    tile.setAttribute("aria-pressed", String(Boolean(pin)));
    tile.style.setProperty("--pin", pin ? PIN_COLOURS[pin.slot] : "transparent");
    if (shown.some((other) => isSameGroup(other, group))) tile.setAttribute("aria-current", "true");
    else tile.removeAttribute("aria-current");
  }
  markOff(root, store);
}
