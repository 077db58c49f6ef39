// Point at it: which groups of all blocks answer most at one place.

import { groupName, make, number, shortName } from "./dom.js";
import { rank } from "./places.js";
import { rove } from "./roving.js";
import { StoreElement } from "./store.js";
import { makeTile, markPins, tileShape } from "./tile.js";

const SHOWN = 12;

class Ranking extends StoreElement {
  static keys = ["pictures", "current", "point", "signal", "colormap", "scale", "pins"];

  build() {
    this.note = make("p", { class: "quiet" });
    this.grid = make("div", { class: "tiles", role: "group", "aria-label": "Groups that answer at the point", "data-testid": "ranking" });
    this.walk = rove(this.grid, ".tile");
    const close = make("button", { type: "button", class: "plain", onclick: () => this.store.set({ point: null }) }, "Close");
    this.replaceChildren(make("div", { class: "bar" }, make("h2", {}, "Who answers here"), close, this.note), this.grid);
  }

  draw(changed) {
    const { point, signal, colormap, scale } = this.store.state;
    this.hidden = !point || !this.store.picture;
    if (this.hidden) {
      this.drawn = null;
      return;
    }
    const drawn = [this.store.picture.key, this.store.picture.version, point.x, point.y, signal, colormap, scale].join();
    if (drawn !== this.drawn) {
      this.drawn = drawn;
      this.fill(point);
      if (changed.has("point")) this.comeIntoSight();
    }
    markPins(this.grid, this.store);
  }

  /** Where the page scrolls under the picture, just below that; else to the top of what scrolls. */
  comeIntoSight() {
    const pane = document.querySelector(".pane");
    if (!pane || getComputedStyle(pane).position !== "sticky") return this.scrollIntoView({ block: "nearest" });
    const top = this.getBoundingClientRect().top;
    const beside = pane.getBoundingClientRect().right <= this.getBoundingClientRect().left;
    const edge = beside ? 0 : pane.getBoundingClientRect().bottom;
    if (top < edge || top > innerHeight - 160) scrollBy(0, top - edge - 12);
  }

  fill(point) {
    const { picture } = this.store;
    const answers = rank(picture, point, SHOWN);
    this.note.textContent = answers.length
      ? "Of all groups of all blocks, by similarity at the mark, in standard deviations of each map."
      : "The network did not see this place: centre framing cuts it off.";
    const [left, top, right, bottom] = picture.analysis.geometry.window;
    const mark = { x: (point.x - left) / (right - left), y: (point.y - top) / (bottom - top) };
    this.grid.style.setProperty("--tile", `${tileShape(picture.analysis).width}px`);
    this.grid.replaceChildren(
      ...answers.map(({ value, ...one }) =>
        makeTile(this.store, one, { note: number(value, 1), said: `${number(value, 1)} deviations`, label: shortName(groupName(one)), mark }),
      ),
    );
    this.walk.settle();
  }
}

customElements.define("sge-ranking", Ranking);
