// The wall: every group of the block as a small picture.

import { make, number } from "./dom.js";
import { store, StoreElement } from "./store.js";
import { makeTile, markPins } from "./tile.js";

const SORTS = { focus: "focus", contribution: "contribution", number: "number" };

class Wall extends StoreElement {
  static keys = ["pictures", "current", "block", "signal", "colormap", "scale", "sort", "pins"];

  build() {
    this.title = "";
    this.heading = make("h2", { id: "wall-heading" });
    this.select = make(
      "select",
      { "aria-label": "Sort groups by", onchange: () => store.set({ sort: this.select.value }) },
      ...Object.entries(SORTS).map(([value, label]) => make("option", { value }, `by ${label}`)),
    );
    this.grid = make("div", { class: "tiles", role: "group", "aria-labelledby": "wall-heading" });
    this.grid.addEventListener("keydown", (event) => this.walk(event));
    this.replaceChildren(make("div", { class: "bar" }, this.heading, this.select), this.grid);
  }

  draw() {
    if (!store.picture) return;
    const { block, signal } = store;
    const { colormap, scale, sort } = store.state;
    const drawn = [store.picture.key, block, signal, colormap, scale, sort].join();
    if (drawn !== this.drawn) {
      this.drawn = drawn;
      this.fill(block, sort);
    }
    markPins(this.grid);
  }

  fill(block, sort) {
    const { analysis } = store.picture;
    const info = analysis.blocks.find((one) => one.name === block);
    this.heading.textContent = `${info.groups} groups of ${block}`;
    const measure = sort === "contribution" ? analysis.contribution[block] : analysis.focus[block];
    const order = [...measure.keys()];
    if (sort !== "number") order.sort((a, b) => measure[b] - measure[a]);
    const note = (group) => (sort === "contribution" ? `${number(100 * measure[group], 1)} %` : number(measure[group]));
    this.grid.replaceChildren(...order.map((group) => makeTile({ block, group }, note(group))));
    this.grid.querySelectorAll(".tile").forEach((tile, i) => (tile.tabIndex = i === 0 ? 0 : -1));
  }

  /** One tab stop for the whole wall; arrow keys walk in it. */
  walk(event) {
    const tiles = [...this.grid.children];
    const at = tiles.indexOf(document.activeElement);
    const columns = getComputedStyle(this.grid).gridTemplateColumns.split(" ").length;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -at, End: tiles.length - 1 - at };
    if (at < 0 || !(event.key in steps)) return;
    event.preventDefault();
    event.stopPropagation();
    const next = tiles[Math.min(tiles.length - 1, Math.max(0, at + steps[event.key]))];
    tiles.forEach((tile) => (tile.tabIndex = tile === next ? 0 : -1));
    next.focus();
  }
}

customElements.define("sge-wall", Wall);
