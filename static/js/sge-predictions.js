// Five classes, best first, and what the model is.

import { make } from "./dom.js";
import { store, StoreElement } from "./store.js";

const ASLEEP =
  "Its SGE gates are asleep: they were put into a finished network and change nothing. What you see is similarity: where each group\u2019s features agree with the group\u2019s own mean.";
const AWAKE = "Its SGE gates act: what you see is the mask, what the network really multiplies each group by.";

class Predictions extends StoreElement {
  static keys = ["pictures", "current"];

  build() {
    this.list = make("ol", { class: "predictions", "data-testid": "predictions" });
    this.about = make("p", { class: "about" });
    this.replaceChildren(make("h2", { class: "visually-hidden" }, "What the network sees"), this.list, this.about);
  }

  draw() {
    if (!store.picture) return;
    const { predictions, model, signal } = store.picture.analysis;
    this.list.replaceChildren(...predictions.map((one) => this.row(one)));
    this.about.replaceChildren(
      make("strong", {}, model.title),
      ` ${model.sentence} `,
      make("span", { "data-testid": "gates" }, signal === "similarity" ? ASLEEP : AWAKE),
    );
  }

  row({ label, score }) {
    const percent = 100 * score;
    const fill = make("span", { class: "fill" });
    fill.style.width = `${Math.max(percent, 0.4)}%`;
    const said = percent >= 10 ? percent.toFixed(0) : percent.toFixed(1);
    return make(
      "li",
      {},
      make("span", { class: "label" }, label),
      make("span", { class: "percent" }, `${said} %`),
      make("span", { class: "track", "aria-hidden": "true" }, fill),
    );
  }
}

customElements.define("sge-predictions", Predictions);
