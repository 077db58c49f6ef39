// Five classes, best first, and what the model is.

import { make, percent } from "./dom.js";
import { StoreElement } from "./store.js";

const ASLEEP =
  "This network\u2019s SGE gates are asleep: they were put into a finished network and change nothing. What you see is similarity: where each group\u2019s features agree with the group\u2019s mean.";
const AWAKE = "Its SGE gates act: what you see is the mask, what the network really multiplies each group by.";
const OTHER = "It has another attention than SGE: what you see is its spatial map, what the network really multiplies its features by.";

class Predictions extends StoreElement {
  static keys = ["pictures", "current"];

  build() {
    this.list = make("ol", { class: "predictions", "data-testid": "predictions" });
    this.about = make("p", { class: "about" });
    this.replaceChildren(make("h2", { class: "visually-hidden" }, "What the network sees"), this.list, this.about);
  }

  draw() {
    if (!this.store.picture) return;
    const { predictions, model, signal } = this.store.picture.analysis;
    this.list.replaceChildren(...predictions.map(row));
    this.about.replaceChildren(
      make("strong", {}, model.title),
      ` ${model.sentence} `,
      make("span", { "data-testid": "gates" }, whatIsSeen(model, signal)),
    );
  }
}

function whatIsSeen({ gates }, signal) {
  if (gates === "none") return OTHER;
  return signal === "similarity" ? ASLEEP : AWAKE;
}

function row({ label, score }) {
  const fill = make("span", { class: "fill" });
  fill.style.width = `${Math.max(100 * score, 0.5)}%`;
  return make(
    "li",
    {},
    make("span", { class: "label" }, label),
    make("span", { class: "track", "aria-hidden": "true" }, fill),
    make("span", { class: "percent" }, percent(score)),
  );
}

customElements.define("sge-predictions", Predictions);
