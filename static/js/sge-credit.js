// What the picture on show is; a sample is marked as one, with its credit.

import { make } from "./dom.js";
import { store, StoreElement } from "./store.js";

class Credit extends StoreElement {
  static keys = ["pictures", "current"];

  draw() {
    if (!store.picture) return;
    const { name, sample, analysis } = store.picture;
    const { width, height } = analysis.picture;
    const size = `${width} \u00d7 ${height} px`;
    const parts = sample
      ? [
          make("span", { class: "badge" }, "sample"),
          ` ${sample.title}, ${size}. Photo: `,
          make("a", { href: sample.source, target: "_blank", rel: "noreferrer noopener" }, sample.credit),
          `, ${sample.licence}`,
        ]
      : [`${name}, ${size}`];
    this.replaceChildren(...parts);
  }
}

customElements.define("sge-credit", Credit);
