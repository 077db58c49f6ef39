// The second of two models, beside the first: the same elements, over a store of their own.

import { make } from "./dom.js";
import { Second } from "./second.js";
import { follow, store } from "./store.js";

class Compare extends HTMLElement {
  connectedCallback() {
    this.leave = follow(["compare"], () => this.draw());
  }

  disconnectedCallback() {
    this.leave();
    this.second?.end();
  }

  draw() {
    const { compare } = store.state;
    if ((this.second?.model ?? null) === compare) return;
    this.replaceChildren();
    this.second?.end();
    this.second = compare === null ? null : new Second(compare);
    this.store = this.second?.store;
    document.documentElement.classList.toggle("comparing", compare !== null);
    if (!this.second) return;
    this.replaceChildren(...halves());
    // Where the page scrolls, the menu was far below the pictures.
    scrollTo(0, 0);
  }
}

function halves() {
  const browse = make("div", { class: "browse" }, make("sge-ranking", { hidden: true }), make("sge-ladder", { role: "toolbar", "aria-label": "Blocks of the second model, fine to coarse" }), make("sge-wall"));
  return [
    make("section", { class: "stage", "aria-label": "Picture, second model" }, make("div", { class: "pane" }, make("sge-nameplate"), make("sge-picture"), make("sge-legend"))),
    make("section", { class: "side", "aria-label": "Findings of the second model" }, make("sge-predictions"), browse),
  ];
}

customElements.define("sge-compare", Compare);
