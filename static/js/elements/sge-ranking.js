// The groups of all blocks with the highest similarity at the point that the visitor clicked.

import { make } from "../dom.js";
import { number, shortGroupName } from "../format.js";
import { hasAllMaps } from "../state/maps.js";
import { hasSimilarity, rankGroups } from "../state/positions.js";
import { makeTile, markTiles, tileShape } from "./group-tile.js";
import { rovingFocus } from "./roving-focus.js";
import { StoreElement } from "./store-element.js";

const COUNT = 12;

class Ranking extends StoreElement {
  static keys = ["images", "current", "point", "signal", "colormap", "scale", "pins", "hover", "view", "off", "offMode", "flattened"];

  build() {
    this.note = make("p", { class: "quiet" });
    this.grid = make("div", { class: "tiles", role: "group", "aria-label": "Groups with the highest similarity at the point", "data-testid": "ranking" });
    this.roving = rovingFocus(this.grid, ".tile");
    const close = make("button", { type: "button", class: "plain", onclick: () => this.store.set({ point: null }) }, "Close");
    this.replaceChildren(make("div", { class: "bar" }, make("h2", {}, "Strongest groups here"), close, this.note), this.grid);
  }

  draw(changed) {
    const { point, signal, colormap, scale } = this.store.state;
    this.hidden = !point || !this.store.image;
    if (this.hidden) {
      this.drawn = null;
      return;
    }
    const drawn = [this.store.image.key, this.store.image.version, point.x, point.y, signal, colormap, scale, hasAllMaps(this.store)].join();
    if (drawn !== this.drawn) {
      this.drawn = drawn;
      this.fill(point);
      if (changed.has("point")) this.scrollIntoSight();
    }
    markTiles(this.grid, this.store);
  }

  /** Scrolls to just below the image where the image is sticky, else to the top of the scrolling column. */
  scrollIntoSight() {
    const pane = document.querySelector(".pane");
    if (!pane || getComputedStyle(pane).position !== "sticky") return this.scrollIntoView({ block: "nearest" });
    const top = this.getBoundingClientRect().top;
    const isBeside = pane.getBoundingClientRect().right <= this.getBoundingClientRect().left;
    const edge = isBeside ? 0 : pane.getBoundingClientRect().bottom;
    if (top < edge || top > innerHeight - 160) scrollBy(0, top - edge - 12);
  }

  fill(point) {
    const { image } = this.store;
    const isThere = hasAllMaps(this.store) || this.store.state.offline;
    const unit = hasSimilarity(image.analysis) ? "standard deviations" : "";
    const ranked = isThere ? rankGroups(image, point, COUNT) : [];
    if (!isThere) this.note.textContent = "Loading the maps of all blocks \u2026";
    else this.note.textContent = ranked.length
      ? `Of all groups of all blocks, by ${unit ? `similarity at the mark, in ${unit} of each map` : "their mask at the mark"}.`
      : "The network did not see this position: centre framing cuts it off.";
    const [left, top, right, bottom] = image.analysis.geometry.window;
    const mark = { x: (point.x - left) / (right - left), y: (point.y - top) / (bottom - top) };
    this.grid.style.setProperty("--tile", `${tileShape(image.analysis).width}px`);
    this.grid.replaceChildren(
      ...ranked.map(({ value, ...group }) =>
        makeTile(this.store, group, { note: number(value, unit ? 1 : 2), description: `${number(value, unit ? 1 : 2)} ${unit || "of 1"}`, label: shortGroupName(group), mark }),
      ),
    );
    this.roving.setTabStop();
  }
}

customElements.define("sge-ranking", Ranking);
