// The block picker: all blocks from fine to coarse, sorted by the size of their maps.

import { make } from "../dom.js";
import { PIN_COLOURS } from "../drawing/colours.js";
import { shortBlockName } from "../format.js";
import { needMaps } from "../state/maps.js";
import { countsIn } from "../state/parts.js";
import { partDot } from "./part-dot.js";
import { rovingFocus } from "./roving-focus.js";
import { StoreElement } from "./store-element.js";

// Longer side of the drawing of a block's cells, in CSS pixels.
const CELLS_SIZE = 28;
// Largest stride, in pixels of the network's input, that is called fine or medium.
const [MAX_FINE_STRIDE, MAX_MEDIUM_STRIDE] = [8, 16];

class BlockPicker extends StoreElement {
  static keys = ["images", "current", "block", "pins", "sort", "view"];

  build() {
    this.roving = rovingFocus(this, "button");
  }

  draw() {
    if (!this.store.image) return;
    const { analysis } = this.store.image;
    const { blocks, model } = analysis;
    const facts = (block) => [`${block.name}:${block.height}x${block.width}`, ...countsIn(analysis, block.name).map(({ words }) => words)];
    const drawn = [model.name, ...blocks.flatMap(facts)].join();
    if (drawn !== this.drawn) {
      this.drawn = drawn;
      this.dataset.model = model.title;
      this.replaceChildren(...levels(blocks, (block) => this.choose(block)));
      this.markParts();
    }
    const { pins } = this.store.state;
    if (this.store.sort === "parts" && !this.contains(document.activeElement)) this.roving.setTabStop();
    for (const button of this.querySelectorAll("button")) {
      const isAwaited = button.dataset.block === this.awaited;
      const isChosen = this.awaited ? isAwaited : this.store.sort !== "parts" && button.dataset.block === this.store.block;
      button.setAttribute("aria-pressed", String(isChosen));
      button.setAttribute("aria-busy", String(isAwaited));
      // A saved analysis may hold the maps of some blocks only.
      button.disabled = this.store.state.offline && !this.store.hasMaps(button.dataset.block);
      if (isChosen) this.roving.setTabStop(button);
      button.querySelector(".pins").replaceChildren(...pins.filter((pin) => pin.block === button.dataset.block).map(pinDot));
    }
  }

  /** Shows a block as soon as its maps are there. */
  async choose(block) {
    const { store } = this;
    this.awaited = store.hasMaps(block) ? null : block;
    if (this.awaited) {
      this.draw();
      const isThere = await needMaps(store, block);
      if (this.awaited !== block) return;
      this.awaited = null;
      this.draw();
      if (!isThere) return;
    }
    this.show(block);
  }

  /**
   * Shows the block's groups in the grid, and its opening group on the image; over pinned groups, as a preview.
   *
   * This ends the order by parts, which shows groups of all blocks.
   */
  show(block) {
    const { store } = this;
    store.set({ block, hover: null, view: "groups", sort: store.sort === "parts" ? (store.image.attribution ? "effect" : "focus") : store.state.sort });
    if (store.state.pins.length > 0) store.set({ hover: store.openingGroup });
  }

  /** Shows under each block how many of its groups are listed for each part. */
  markParts() {
    const { analysis } = this.store.image;
    for (const button of this.querySelectorAll("button")) {
      const counts = countsIn(analysis, button.dataset.block);
      button.nextElementSibling.replaceChildren(...counts.map(({ kind, count }) => make("span", {}, ...(count > 0 ? [partDot(kind), count] : []))));
      const facts = counts.filter(({ count }) => count > 0).map(({ words }) => words);
      button.title = [button.title, ...facts].join(", ");
      button.setAttribute("aria-label", [button.getAttribute("aria-label"), ...facts].join(", "));
    }
  }
}

/** Groups the blocks by map size and stride. Each level has a drawing of its cells. */
function levels(blocks, choose) {
  const sizes = [...new Set(blocks.map(sizeOf))];
  return sizes.map((size) => {
    const ofSize = blocks.filter((block) => sizeOf(block) === size);
    const [{ height, width, stride }] = ofSize;
    const head = make("span", { class: "level-head" }, make("span", { class: "cells-box" }, cellGrid(height, width)), make("span", { class: "level-size" }, make("b", {}, `${height}\u00d7${width}`), make("br"), `stride ${stride}`, make("br"), resolution(stride)));
    head.title = `Maps of ${height}\u00d7${width} cells. ${strideText(stride)}`;
    return make("div", { class: "level" }, head, make("div", { class: "level-blocks" }, ...ofSize.map((block) => blockButton(block, choose))));
  });
}

function resolution(stride) {
  if (stride <= MAX_FINE_STRIDE) return "fine";
  return stride <= MAX_MEDIUM_STRIDE ? "medium" : "coarse";
}

const strideText = (stride) => `Stride ${stride} px: one cell covers ${stride}\u00d7${stride} pixels of the network\u2019s input.`;

const sizeOf = ({ height, width, stride }) => `${height}x${width}/${stride}`;

function blockButton(block, choose) {
  const { name, groups, channels, height, width, stride } = block;
  const facts = `${groups} groups, ${height}\u00d7${width} cells, stride ${stride} px${channels > 0 ? `, ${channels} channels` : ""}`;
  const button = make(
    "button",
    { type: "button", "data-block": name, title: `${name}: ${facts}`, "aria-label": `${shortBlockName(name)}: block ${name}, ${facts}`, "aria-description": strideText(stride), onclick: () => choose(name) },
    shortBlockName(name),
    make("span", { class: "pins", "aria-hidden": "true" }),
  );
  return make("div", { class: "block" }, button, make("span", { class: "counts", "aria-hidden": "true" }));
}

function pinDot({ slot }) {
  const dot = make("i", {});
  dot.style.background = PIN_COLOURS[slot];
  return dot;
}

/** Draws the cells of a map at their true number: a few look like a grid, many like a grey tone. */
function cellGrid(rows, columns) {
  const unit = CELLS_SIZE / Math.max(rows, columns);
  const [width, height] = [Math.round(columns * unit), Math.round(rows * unit)];
  // Drawn at the resolution of the screen, because scaling by the browser would produce moire patterns.
  const density = window.devicePixelRatio || 1;
  const canvas = make("canvas", { class: "cells", width: Math.round(width * density), height: Math.round(height * density), "aria-hidden": "true" });
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  const context = canvas.getContext("2d");
  // Medium grey is visible on light and on dark backgrounds.
  context.fillStyle = "#8a8a8a";
  const [across, down] = [canvas.width / columns, canvas.height / rows];
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) context.fillRect(column * across, row * down, across * 0.76, down * 0.76);
  }
  return canvas;
}

customElements.define("sge-block-picker", BlockPicker);
