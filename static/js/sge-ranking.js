// Point at it: which groups of all blocks answer most at one place.

import { groupName, make, number } from "./dom.js";
import { store, StoreElement } from "./store.js";
import { makeTile, markPins } from "./tile.js";

const SHOWN = 12;

/** The cell of a block over a point of the picture, or null where the network did not see it. */
export function cellAt({ geometry }, { height, width }, { x, y }) {
  const [left, top, right, bottom] = geometry.window;
  if (x < left || x >= right || y < top || y >= bottom) return null;
  const col = Math.min(width - 1, Math.floor(((x - left) / (right - left)) * width));
  const row = Math.min(height - 1, Math.floor(((y - top) / (bottom - top)) * height));
  return { row, col };
}

/** Every group of every block by its similarity at the point, strongest first. */
export function rank(picture, point) {
  const answers = [];
  for (const block of picture.analysis.blocks) {
    const cell = cellAt(picture.analysis, block, point);
    if (!cell) return [];
    const atlas = picture.atlases.similarity.get(block.name);
    for (let group = 0; group < block.groups; group += 1) {
      answers.push({ block: block.name, group, value: atlas.value(group, cell.row, cell.col) });
    }
  }
  return answers.sort((a, b) => b.value - a.value).slice(0, SHOWN);
}

class Ranking extends StoreElement {
  static keys = ["pictures", "current", "point", "signal", "colormap", "scale", "pins"];

  build() {
    this.heading = make("h2", {}, "Who answers here");
    this.note = make("p", { class: "quiet" });
    this.grid = make("div", { class: "tiles", "data-testid": "ranking" });
    const close = make("button", { type: "button", class: "plain", onclick: () => store.set({ point: null }) }, "Close");
    this.replaceChildren(make("div", { class: "bar" }, this.heading, close), this.note, this.grid);
  }

  draw() {
    const { point } = store.state;
    this.hidden = !point || !store.picture;
    if (this.hidden) return;
    const answers = rank(store.picture, point);
    this.note.textContent = answers.length
      ? "All groups of all blocks, by their similarity at the point, in deviations from the map\u2019s mean."
      : "The network did not see this place: centre framing cuts it off.";
    this.grid.replaceChildren(
      ...answers.map((one) => makeTile({ block: one.block, group: one.group }, number(one.value, 1), { label: groupName(one).replace(/^blocks\./, "") })),
    );
    markPins(this.grid);
  }
}

customElements.define("sge-ranking", Ranking);
