// One group as a small picture that previews on hover and pins on click.

import { colourTable, PIN_COLOURS } from "./colours.js";
import { groupName, make } from "./dom.js";
import { coloured, stretched } from "./heat.js";
import { store } from "./store.js";

const SHARP = 112;

/** A button for `{block, group}`; `note` is the number beside its name. */
export function makeTile(one, note, extra = {}) {
  const atlas = store.atlas(one.block);
  const canvas = make("canvas", { "aria-hidden": "true" });
  const shape = SHARP / Math.max(atlas.width, atlas.height);
  canvas.width = Math.max(8, Math.round(atlas.width * shape));
  canvas.height = Math.max(8, Math.round(atlas.height * shape));
  const flat = atlas.isFlat(one.group);
  if (!flat) {
    const limits = atlas.limits(one.group, store.state.scale, store.signal);
    const bytes = stretched(atlas, one.group, limits, canvas.width, canvas.height);
    const image = coloured(bytes, canvas.width, canvas.height, colourTable(store.state.colormap));
    canvas.getContext("2d").putImageData(image, 0, 0);
  }
  const caption = make("span", { class: "tile-caption" }, make("span", {}, extra.label ?? `g${one.group}`), make("span", { class: "tile-note" }, flat ? "flat" : note));
  const tile = make(
    "button",
    {
      type: "button",
      class: flat ? "tile flat" : "tile",
      "data-block-of": one.block,
      "data-group": one.group,
      "aria-label": `${groupName(one)}, ${flat ? "flat: the picture does not move it" : note}`,
      title: flat ? `${groupName(one)}: flat, the picture does not move it` : groupName(one),
      onclick: () => store.togglePin(one),
      onpointerenter: (event) => event.pointerType === "mouse" && store.set({ hover: one }),
      onpointerleave: () => store.set({ hover: null }),
      onfocus: (event) => event.target.matches(":focus-visible") && store.set({ hover: one }),
      onblur: () => store.set({ hover: null }),
    },
    canvas,
    caption,
  );
  return tile;
}

/** Marks the tiles that are pinned, in their colours. */
export function markPins(root) {
  for (const tile of root.querySelectorAll(".tile")) {
    const at = store.state.pins.findIndex((pin) => pin.block === tile.dataset.blockOf && String(pin.group) === tile.dataset.group);
    tile.setAttribute("aria-pressed", String(at >= 0));
    tile.style.setProperty("--pin", at >= 0 ? PIN_COLOURS[at] : "transparent");
  }
}
