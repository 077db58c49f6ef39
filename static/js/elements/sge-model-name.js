// The title of the model above its image during a comparison. The second one can show the difference, and ends it.

import { make } from "../dom.js";
import { hasDifference } from "../state/difference.js";
import { store } from "../state/store.js";
import { segments } from "./segments.js";
import { StoreElement } from "./store-element.js";

const CHOICES = [
  ["map", "Map", "The map of this model"],
  ["difference", "Difference", "Difference: this model\u2019s map of the shown group minus the other model\u2019s"],
];
const NO_DIFFERENCE = "Difference: the models have no common block and cells for the shown group";
const FLAT = "gates inactive: its masks are constant";

class ModelName extends StoreElement {
  static keys = ["images", "current", "signal", "view", "hover", "pins", "block", "difference"];

  build() {
    this.name = make("b", {});
    this.note = make("span", { class: "model-note" });
    const children = [make("span", { class: "model-title" }, this.name, this.note)];
    if (this.store !== store) {
      this.choice = segments("difference", "Second image", CHOICES, (value) => this.store.set({ difference: value === "difference" }));
      const leave = make("button", { type: "button", title: "Leave the comparison (Esc)", onclick: () => store.set({ compare: null }) }, "Leave", make("span", { class: "roomy" }, " comparison"));
      children.push(this.choice.root, leave);
    }
    this.replaceChildren(...children);
  }

  draw() {
    const { image, signal, view } = this.store;
    this.name.textContent = image?.analysis.model.title ?? "";
    const isFlat = image?.analysis.model.gates === "inactive" && signal === "mask" && view === "groups";
    this.note.textContent = isFlat ? FLAT : "";
    if (!this.choice) return;
    const isPossible = hasDifference(this.store);
    this.choice.offer("difference", true, isPossible ? null : NO_DIFFERENCE);
    this.choice.value = isPossible && this.store.state.difference ? "difference" : "map";
  }
}

customElements.define("sge-model-name", ModelName);
