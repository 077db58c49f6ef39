// The grid of groups: every group of the current block, or the groups of all blocks that find the parts.

import { make } from "../dom.js";
import { focusAndEnergy, number, percent, shortBlockName, shortGroupName } from "../format.js";
import { canMeasure, hasGroups } from "../state/effect.js";
import { canLoadMaps } from "../state/maps.js";
import { finderInWords, hasFinder, isWhole, kindName, listedInWords } from "../state/parts.js";
import { store as first } from "../state/store.js";
import { groupsOfPart, toggleOff, withoutWords } from "../state/switched-off.js";
import { effectNote, effectTiles } from "./effect-tiles.js";
import { makeTile, markTiles, tileShape } from "./group-tile.js";
import { inactiveMasks } from "./inactive-masks.js";
import { partDot } from "./part-dot.js";
import { finderChoice } from "./part-list.js";
import { rovingFocus } from "./roving-focus.js";
import { segments } from "./segments.js";
import { StoreElement } from "./store-element.js";

const SORTS = [
  ["effect", "Effect", "The groups with the largest effect on the chosen class first"],
  ["parts", "Parts", "The groups of all blocks that find the parts, by their weight for each part"],
  ["focus", "Focus", "Most focused first: near 1 means a single position, 0 means no pattern"],
  ["energy", "Energy", "Largest share of the block\u2019s squared output first"],
  ["number", "Number", "By number"],
];
// Groups of a sparse readout with a smaller weight are counted but not shown.
const MIN_SHOWN_WEIGHT = 0.01;

class GroupGrid extends StoreElement {
  static keys = ["images", "current", "block", "signal", "colormap", "scale", "sort", "pins", "hover", "view", "off", "offMode", "flattened", "effect", "partsBy"];

  build() {
    const { suffix } = this.store;
    this.heading = make("h2", { id: `group-grid-heading${suffix}` });
    this.facts = make("p", { class: "quiet" });
    this.note = make("div", { class: "effect-note quiet" });
    this.sorts = segments(`sort${suffix}`, "Sort groups by", SORTS, (sort) => this.store.set({ sort }));
    this.grid = make("div", { class: "tiles", role: "group", "aria-labelledby": this.heading.id });
    this.roving = rovingFocus(this.grid, ".tile");
    this.replaceChildren(make("div", { class: "bar" }, this.heading, this.sorts.root, this.facts, this.note), this.grid);
  }

  draw(changed) {
    if (!this.store.image) return;
    const { block, signal, sort, image } = this.store;
    const { colormap, scale } = this.store.state;
    const hasNoMasks = signal === "mask" && image.analysis.model.gates === "inactive";
    const state = { effect: () => effectKey(image, block), parts: () => [this.store.hasPartMaps] }[sort]?.() ?? [];
    const drawn = [image.key, image.version, block, signal, colormap, scale, sort, first.state.partsBy, ...state].join();
    const isNew = drawn !== this.drawn;
    if (isNew) {
      this.drawn = drawn;
      this.sorts.offer("effect", hasGroups(image), image.attribution || canMeasure(this.store) ? null : "Effects are not known yet");
      this.sorts.offer("parts", hasFinder(image.analysis));
      this.sorts.offer("energy", image.analysis.energy[block] !== undefined);
      // The chosen order stays marked while its effects are measured.
      this.sorts.value = this.store.state.sort === "effect" && canMeasure(this.store) ? "effect" : sort;
      this.grid.style.setProperty("--tile", `${tileShape(image.analysis).width}px`);
      this.fill(hasNoMasks ? this.noMasks(block) : this.tiles(block, sort));
    }
    const isEffect = sort === "effect" && !hasNoMasks;
    if (isNew || ["effect", "images", "sort"].some((key) => changed.has(key)) || changed.size > 1) this.note.replaceChildren(...effectNote(this.store, block, isEffect));
    this.facts.hidden = isEffect;
    markTiles(this.grid, this.store);
    for (const button of this.grid.querySelectorAll("[data-without]")) this.nameWithout(button);
  }

  tiles(block, sort) {
    if (sort === "parts") return this.tilesOfParts();
    if (sort !== "effect") return this.tilesOfBlock(block, sort);
    this.heading.textContent = `${this.store.image.analysis.focus[block].length} groups of block ${shortBlockName(block)}`;
    return effectTiles(this.store, block);
  }

  noMasks(block) {
    this.heading.textContent = `Masks of block ${shortBlockName(block)}`;
    this.facts.textContent = "";
    return [inactiveMasks(this.store)];
  }

  /** The button that switches off every group that is listed for a part, or switches them on again. */
  withoutPart(kind) {
    if (this.store.state.offline || !hasGroups(this.store.image)) return null;
    const groups = groupsOfPart(this.store.image.analysis, kind);
    return make("button", { type: "button", class: "without", "data-without": kind, onclick: () => toggleOff(this.store, groups) });
  }

  nameWithout(button) {
    button.textContent = withoutWords(this.store, button.dataset.without);
  }

  /** Replaces the tiles. A keyboard focus stays on the same group if it is still there. */
  fill(children) {
    const active = document.activeElement;
    const hadFocus = this.grid.contains(active) && active.matches(":focus-visible");
    const { blockOf, group } = hadFocus ? active.dataset : {};
    this.grid.replaceChildren(...children);
    const same = hadFocus && [...this.grid.querySelectorAll(".tile")].find(({ dataset }) => dataset.blockOf === blockOf && dataset.group === group);
    this.roving.setTabStop(same || undefined);
    if (same) same.focus();
  }

  tilesOfBlock(block, sort) {
    const { analysis } = this.store.image;
    const { groups, channels, height, width, stride } = analysis.blocks.find(({ name }) => name === block);
    this.heading.textContent = `${groups} groups of block ${shortBlockName(block)}`;
    this.facts.textContent = `${channels > 0 ? `${channels / groups} channels each, on` : "On"} ${height}\u00d7${width} cells of ${stride} px. Hover to preview; click to pin, up to six.`;
    const [focus, energy] = [analysis.focus[block], analysis.energy[block]];
    const measure = sort === "energy" ? energy : focus;
    const order = [...focus.keys()];
    if (sort !== "number") order.sort((a, b) => measure[b] - measure[a]);
    return order.map((group) => {
      const note = sort === "energy" ? percent(energy[group]) : number(focus[group]);
      return makeTile(this.store, { block, group }, { note, description: focusAndEnergy(analysis, { block, group }) });
    });
  }

  tilesOfParts() {
    const { analysis } = this.store.image;
    this.heading.textContent = "Groups that find the parts";
    this.facts.textContent = `${finderInWords(analysis)} Hover to preview; click to pin, up to six.`;
    // Where parts were found, the legend has the choice.
    if (analysis.parts.length === 0) this.facts.append(" ", finderChoice(this.store));
    if (!this.store.hasPartMaps && canLoadMaps(this.store)) return [make("p", { class: "quiet" }, "Loading the maps of these groups \u2026")];
    return Object.entries(analysis.part_maps).flatMap(([kind, { terms }]) => {
      const large = terms.filter(({ weight }) => weight >= MIN_SHOWN_WEIGHT || !isWhole(analysis, kind));
      const small = terms.length - large.length;
      // A report may hold the maps of some blocks only.
      const shown = large.filter(({ block }) => this.store.hasMaps(block));
      const absent = large.length - shown.length;
      const facts = [listedInWords(analysis, kind), small > 0 && `${small} of them below 1 % are not shown`, absent > 0 && `this report does not hold the maps of ${absent} of them`].filter(Boolean).join("; ");
      return [
        make("div", { class: "readout-row" }, make("h3", { class: "readout" }, partDot(kind), make("b", {}, kindName(kind)), make("span", {}, facts)), this.withoutPart(kind)),
        ...shown.map(({ weight, ...group }) =>
          makeTile(this.store, group, { note: percent(weight), description: focusAndEnergy(analysis, group), label: shortGroupName(group) }),
        ),
      ];
    });
  }
}

/** What the order by effect depends on. */
function effectKey({ attribution, expectedAttribution }, block) {
  return [attribution, expectedAttribution].flatMap((each) => (each ? [each.target.index, each.method[block]] : ["none"]));
}

customElements.define("sge-group-grid", GroupGrid);
