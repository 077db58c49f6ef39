// The wall: every group of the block as a small picture, or the groups of all blocks that find the parts.

import { groupName, make, number, percent, shortName } from "./dom.js";
import { dot, hasFinder, kindName } from "./parts.js";
import { rove } from "./roving.js";
import { segments } from "./segments.js";
import { StoreElement } from "./store.js";
import { makeTile, markPins, tileShape } from "./tile.js";

const SORTS = [
  ["parts", "Parts", "The groups of all blocks that find the parts, by their share in each mix"],
  ["focus", "Focus", "Most focused first: near 1 answers to a single place, 0 has no pattern"],
  ["contribution", "Contribution", "Largest share of the block\u2019s squared output first"],
  ["number", "Number", "By number"],
];
// Groups below this share of a mix are counted, not shown.
const LEAST = 0.01;

class Wall extends StoreElement {
  static keys = ["pictures", "current", "block", "signal", "colormap", "scale", "sort", "pins"];

  build() {
    const { suffix } = this.store;
    this.heading = make("h2", { id: `wall-heading${suffix}` });
    this.facts = make("p", { class: "quiet" });
    this.sorts = segments(`sort${suffix}`, "Sort groups by", SORTS, (sort) => this.store.set({ sort }));
    this.grid = make("div", { class: "tiles", role: "group", "aria-labelledby": this.heading.id });
    this.walk = rove(this.grid, ".tile");
    this.replaceChildren(make("div", { class: "bar" }, this.heading, this.sorts.root, this.facts), this.grid);
  }

  draw() {
    if (!this.store.picture) return;
    const { block, signal, sort, picture } = this.store;
    const { colormap, scale } = this.store.state;
    const drawn = [picture.key, picture.version, block, signal, colormap, scale, sort].join();
    if (drawn !== this.drawn) {
      this.drawn = drawn;
      this.sorts.offer("parts", hasFinder(picture.analysis));
      this.sorts.value = sort;
      this.grid.style.setProperty("--tile", `${tileShape(picture.analysis).width}px`);
      this.fill(sort === "parts" ? this.ofParts() : this.ofBlock(block, sort));
    }
    markPins(this.grid, this.store);
  }

  /** The new tiles and headings; a keyboard in the wall stays at its group. */
  fill(children) {
    const active = document.activeElement;
    const isHeld = this.grid.contains(active) && active.matches(":focus-visible");
    const { blockOf, group } = isHeld ? active.dataset : {};
    this.grid.replaceChildren(...children);
    const again = isHeld && [...this.grid.querySelectorAll(".tile")].find(({ dataset }) => dataset.blockOf === blockOf && dataset.group === group);
    this.walk.settle(again || undefined);
    if (again) again.focus();
  }

  ofBlock(block, sort) {
    const { analysis } = this.store.picture;
    const { groups, channels, height, width, stride } = analysis.blocks.find((one) => one.name === block);
    this.heading.textContent = `${groups} groups of ${block}`;
    this.facts.textContent = `${channels / groups} channels each, on ${height}\u00d7${width} cells of ${stride} px. Hover previews; a click pins, up to six.`;
    const [focus, contribution] = [analysis.focus[block], analysis.contribution[block]];
    const measure = sort === "contribution" ? contribution : focus;
    const order = [...focus.keys()];
    if (sort !== "number") order.sort((a, b) => measure[b] - measure[a]);
    return order.map((group) => {
      const note = sort === "contribution" ? percent(contribution[group]) : number(focus[group]);
      return makeTile(this.store, { block, group }, { note, said: said(analysis, { block, group }) });
    });
  }

  ofParts() {
    const { analysis } = this.store.picture;
    this.heading.textContent = "Groups that find the parts";
    this.facts.textContent = "Each part is found by a mix of groups, chosen once on labelled photos; the number is a group\u2019s share in it. Hover previews; a click pins, up to six.";
    return Object.entries(analysis.part_maps).flatMap(([kind, { mix }]) => {
      const [large, small] = [mix.filter(({ weight }) => weight >= LEAST), mix.filter(({ weight }) => weight < LEAST)];
      const blocks = new Set(mix.map(({ block }) => block)).size;
      const rest = small.length > 0 ? `; ${small.length} of them below 1 % are not shown` : "";
      const facts = `${mix.length} groups of ${blocks} ${blocks === 1 ? "block" : "blocks"}${rest}`;
      return [
        make("h3", { class: "mix" }, dot(kind), make("b", {}, kindName(kind)), make("span", {}, facts)),
        ...large.map(({ weight, ...one }) =>
          makeTile(this.store, one, { note: percent(weight), said: said(analysis, one), label: shortName(groupName(one)) }),
        ),
      ];
    });
  }
}

function said(analysis, { block, group }) {
  return `focus ${number(analysis.focus[block][group])}, ${percent(analysis.contribution[block][group])} of the block\u2019s output`;
}

customElements.define("sge-wall", Wall);
