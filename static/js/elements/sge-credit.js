// Name and size of the current image. A sample is labelled as one, with its credit.

import { make } from "../dom.js";
import { store } from "../state/store.js";
import { StoreElement } from "./store-element.js";

class Credit extends StoreElement {
  static keys = ["images", "current"];

  draw() {
    if (!store.image) return;
    const { name, sample, analysis } = store.image;
    const { width, height } = analysis.image;
    const size = `${width} \u00d7 ${height} px`;
    const children = sample
      ? [
          make("span", { class: "badge" }, "sample"),
          ` ${sample.title}, ${size}. Photo: `,
          make("a", { href: sample.source, target: "_blank", rel: "noreferrer noopener" }, sample.credit),
          `, ${sample.licence}`,
        ]
      : [`${name}, ${size}`];
    this.replaceChildren(...children);
    // One line, cut off where there is little room.
    this.title = this.textContent;
  }
}

customElements.define("sge-credit", Credit);
