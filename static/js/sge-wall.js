// The wall: every group of the block as a small picture.

import { make, number, percent } from "./dom.js";
import { rove } from "./roving.js";
import { segments } from "./segments.js";
import { store, StoreElement } from "./store.js";
import { makeTile, markPins, tileShape } from "./tile.js";

const SORTS = [
  ["focus", "Focus", "Most focused first: near 1 answers to a single place, 0 has no pattern"],
  ["contribution", "Contribution", "Largest share of the block\u2019s squared output first"],
  ["number", "Number", "By number"],
];

class Wall extends StoreElement {
  static keys = ["pictures", "current", "block", "signal", "colormap", "scale", "sort", "pins"];

  build() {
    this.heading = make("h2", { id: "wall-heading" });
    this.facts = make("p", { class: "quiet" });
    this.sorts = segments("sort", "Sort groups by", SORTS, (sort) => store.set({ sort }));
    this.grid = make("div", { class: "tiles", role: "group", "aria-labelledby": "wall-heading" });
    this.walk = rove(this.grid, ".tile");
    this.replaceChildren(make("div", { class: "bar" }, this.heading, this.sorts.root, this.facts), this.grid);
  }

  draw() {
    if (!store.picture) return;
    const { block, signal } = store;
    const { colormap, scale, sort } = store.state;
    const drawn = [store.picture.key, store.picture.version, block, signal, colormap, scale, sort].join();
    if (drawn !== this.drawn) {
      this.drawn = drawn;
      this.sorts.value = sort;
      this.fill(block, sort);
    }
    markPins(this.grid);
  }

  fill(block, sort) {
    const { analysis } = store.picture;
    const { groups, channels, height, width, stride } = analysis.blocks.find((one) => one.name === block);
    this.heading.textContent = `${groups} groups of ${block}`;
    this.facts.textContent = `${channels / groups} channels each, on ${height}\u00d7${width} cells of ${stride} px. Hover previews; a click pins, up to six.`;
    const [focus, contribution] = [analysis.focus[block], analysis.contribution[block]];
    const measure = sort === "contribution" ? contribution : focus;
    const order = [...focus.keys()];
    if (sort !== "number") order.sort((a, b) => measure[b] - measure[a]);
    const tiles = order.map((group) =>
      makeTile(
        { block, group },
        {
          note: sort === "contribution" ? percent(contribution[group]) : number(focus[group]),
          said: `focus ${number(focus[group])}, ${percent(contribution[group])} of the block\u2019s output`,
        },
      ),
    );
    // A keyboard in the wall stays at its group.
    const active = document.activeElement;
    const held = this.grid.contains(active) && active.matches(":focus-visible") && active.dataset.group;
    this.grid.style.setProperty("--tile", `${tileShape(analysis).width}px`);
    this.grid.replaceChildren(...tiles);
    const again = held && tiles.find((tile) => tile.dataset.group === held);
    this.walk.settle(again || tiles[0]);
    if (again) again.focus();
  }
}

customElements.define("sge-wall", Wall);
