// The blocks as a ladder, from fine to coarse; each step shows its cells at their true number.

import { PIN_COLOURS } from "./colours.js";
import { make, shortName } from "./dom.js";
import { countsIn, dot } from "./parts.js";
import { rove } from "./roving.js";
import { StoreElement } from "./store.js";

const GRID = 28;

class Ladder extends StoreElement {
  static keys = ["pictures", "current", "block", "pins", "sort", "view"];

  build() {
    this.walk = rove(this, "button");
  }

  draw() {
    if (!this.store.picture) return;
    const { blocks, model } = this.store.picture.analysis;
    const names = [model.name, ...blocks.map((block) => `${block.name}:${block.height}x${block.width}`)].join();
    if (names !== this.names) {
      this.names = names;
      this.dataset.model = model.title;
      this.replaceChildren(...steps(blocks, (block) => this.choose(block)));
      this.markParts();
    }
    const { pins } = this.store.state;
    if (this.store.sort === "parts" && !this.contains(document.activeElement)) this.walk.settle();
    for (const button of this.querySelectorAll("button")) {
      const chosen = this.store.sort !== "parts" && button.dataset.block === this.store.block;
      button.setAttribute("aria-pressed", String(chosen));
      if (chosen) this.walk.settle(button);
      button.querySelector(".pins").replaceChildren(...pins.filter((pin) => pin.block === button.dataset.block).map(pinDot));
    }
  }

  /** From the groups of all blocks that find the parts, a block leads back to its own. */
  choose(block) {
    const { sort } = this.store;
    this.store.set({ block, hover: null, sort: sort === "parts" ? "focus" : this.store.state.sort });
  }

  /** Under each block, how many of its groups help to find each part. */
  markParts() {
    const { analysis } = this.store.picture;
    for (const button of this.querySelectorAll("button")) {
      const counts = countsIn(analysis, button.dataset.block);
      button.querySelector(".counts").replaceChildren(...counts.map(({ kind, count }) => make("span", {}, ...(count > 0 ? [dot(kind), count] : []))));
      const words = counts.filter(({ count }) => count > 0).map(({ kind, count }) => `${count} in the ${kind} mix`);
      button.title = [button.title, ...words].join(", ");
      button.setAttribute("aria-label", [button.getAttribute("aria-label"), ...words].join(", "));
    }
  }
}

/** Blocks of one stride stand together, under their cells. */
function steps(blocks, choose) {
  const sizes = [...new Set(blocks.map(sizeOf))];
  return sizes.map((size) => {
    const here = blocks.filter((block) => sizeOf(block) === size);
    const [{ height, width, stride }] = here;
    const head = make("span", { class: "step-head" }, cellGrid(height, width), make("span", {}, make("b", {}, `${height}\u00d7${width}`), make("br"), `stride ${stride}`));
    return make("div", { class: "step" }, head, make("div", { class: "step-blocks" }, ...here.map((block) => blockButton(block, choose))));
  });
}

const sizeOf = ({ height, width, stride }) => `${height}x${width}/${stride}`;

function blockButton(block, choose) {
  const { name, groups, channels, height, width, stride } = block;
  const facts = `${groups} groups, ${height}\u00d7${width} cells, stride ${stride}, ${channels} channels`;
  return make(
    "button",
    { type: "button", "data-block": name, title: `${name}: ${facts}`, "aria-label": `Block ${name}, ${facts}`, onclick: () => choose(name) },
    shortName(name),
    make("span", { class: "counts", "aria-hidden": "true" }),
    make("span", { class: "pins", "aria-hidden": "true" }),
  );
}

function pinDot({ slot }) {
  const dot = make("i", {});
  dot.style.background = PIN_COLOURS[slot];
  return dot;
}

/** The cells, drawn as they are: few are a grid, many are a tone. */
function cellGrid(rows, columns) {
  const unit = GRID / Math.max(rows, columns);
  const [width, height] = [Math.round(columns * unit), Math.round(rows * unit)];
  // As many pixels as the screen has: a browser that shrank more would make patterns of its own.
  const density = window.devicePixelRatio || 1;
  const canvas = make("canvas", { class: "cells", width: Math.round(width * density), height: Math.round(height * density), "aria-hidden": "true" });
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  const context = canvas.getContext("2d");
  // Mid-grey reads on light and on dark.
  context.fillStyle = "#8a8a8a";
  const [across, down] = [canvas.width / columns, canvas.height / rows];
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) context.fillRect(column * across, row * down, across * 0.76, down * 0.76);
  }
  return canvas;
}

customElements.define("sge-ladder", Ladder);
