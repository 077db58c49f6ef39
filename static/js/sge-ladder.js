// The blocks as a ladder, from fine to coarse.

import { make } from "./dom.js";
import { store, StoreElement } from "./store.js";

class Ladder extends StoreElement {
  static keys = ["pictures", "current", "block"];

  draw() {
    if (!store.picture) return;
    const { blocks, model } = store.picture.analysis;
    const names = [model.name, ...blocks.map((block) => `${block.name}:${block.height}x${block.width}`)].join();
    if (names !== this.names) {
      this.names = names;
      this.replaceChildren(...this.steps(blocks));
    }
    for (const button of this.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.block === store.block));
    }
  }

  /** Blocks of one stride stand together, under the size of their cells. */
  steps(blocks) {
    const strides = [...new Set(blocks.map((block) => block.stride))];
    return strides.map((stride) => {
      const here = blocks.filter((block) => block.stride === stride);
      const cells = `${here[0].height}\u00d7${here[0].width} cells`;
      const buttons = here.map((block) =>
        make(
          "button",
          {
            type: "button",
            "data-block": block.name,
            title: `${block.channels} channels in ${block.groups} groups; a cell covers ${block.stride} px of the input`,
            "aria-label": `Block ${block.name}, ${block.groups} groups, ${cells}`,
            onclick: () => store.set({ block: block.name, hover: null }),
          },
          block.name.replace(/^blocks\./, "").replace(/^layer/, ""),
        ),
      );
      return make("div", { class: "step" }, make("span", { class: "step-name" }, cells), make("div", { class: "step-blocks" }, ...buttons));
    });
  }
}

customElements.define("sge-ladder", Ladder);
