// Which model a picture belongs to, where two stand side by side.

import { make } from "./dom.js";
import { store, StoreElement } from "./store.js";

class Nameplate extends StoreElement {
  static keys = ["pictures", "current"];

  build() {
    this.name = make("b", {});
    const leave = make("button", { type: "button", title: "Leave the comparison (Esc)", onclick: () => store.set({ compare: null }) }, "Leave", make("span", { class: "roomy" }, " comparison"));
    this.replaceChildren(this.name, ...(this.store === store ? [] : [leave]));
  }

  draw() {
    this.name.textContent = this.store.picture?.analysis.model.title ?? "";
  }
}

customElements.define("sge-nameplate", Nameplate);
