// The second model of a comparison: the same elements as for the first model, with a store of their own.

import { make } from "../dom.js";
import { Comparison } from "../state/comparison.js";
import { observe, store } from "../state/store.js";

class Compare extends HTMLElement {
  connectedCallback() {
    this.stopObserving = observe(["compare"], () => this.draw());
  }

  disconnectedCallback() {
    this.stopObserving();
    this.comparison?.end();
  }

  draw() {
    const { compare } = store.state;
    if ((this.comparison?.model ?? null) === compare) return;
    this.replaceChildren();
    this.comparison?.end();
    this.comparison = compare === null ? null : new Comparison(compare);
    this.store = this.comparison?.store;
    document.documentElement.classList.toggle("comparing", compare !== null);
    if (!this.comparison) return;
    this.replaceChildren(...sections());
    // On a page that scrolls, the menu of models is far below the images.
    scrollTo(0, 0);
  }
}

function sections() {
  const browse = make("div", { class: "browse" }, make("sge-ranking", { hidden: true }), make("sge-block-picker", { role: "toolbar", "aria-label": "Blocks of the second model, fine to coarse" }), make("sge-group-grid"));
  return [
    make("section", { class: "stage", "aria-label": "Image, second model" }, make("div", { class: "pane" }, make("sge-model-name"), make("sge-image"), make("sge-legend"))),
    make("section", { class: "side", "aria-label": "Results of the second model" }, make("sge-predictions"), browse),
  ];
}

customElements.define("sge-compare", Compare);
