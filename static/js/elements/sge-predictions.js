// The five best classes, and a description of the model.

import { make } from "../dom.js";
import { percent } from "../format.js";
import { StoreElement } from "./store-element.js";

const WITH_SIMILARITY =
  "Its SGE gates are inactive: they were inserted into a finished network and do not change its output. The maps show similarity: where the features of a group agree with the group\u2019s mean.";
const WITH_MASKS = "Its SGE gates are active: the maps show the masks, the factors by which the network multiplies each group.";
const WITHOUT_SGE = "It has another attention module than SGE: the maps show its spatial map, the factors by which the network multiplies its features.";

class Predictions extends StoreElement {
  static keys = ["images", "current"];

  build() {
    this.list = make("ol", { class: "predictions", "data-testid": "predictions" });
    this.about = make("p", { class: "about" });
    this.replaceChildren(make("h2", { class: "visually-hidden" }, "Predicted classes"), this.list, this.about);
  }

  draw() {
    if (!this.store.image) return;
    const { predictions, model, signal } = this.store.image.analysis;
    this.list.replaceChildren(...predictions.map(row));
    this.about.replaceChildren(
      make("strong", {}, model.title),
      ` ${model.sentence} `,
      make("span", { "data-testid": "gates" }, describeMaps(model, signal)),
    );
  }
}

function describeMaps({ gates }, signal) {
  if (gates === "none") return WITHOUT_SGE;
  return signal === "similarity" ? WITH_SIMILARITY : WITH_MASKS;
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
