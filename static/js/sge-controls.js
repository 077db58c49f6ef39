// How the maps are shown.

import { COLOUR_MAPS } from "./colours.js";
import { make } from "./dom.js";
import { store, StoreElement } from "./store.js";

class Controls extends StoreElement {
  static keys = ["pictures", "current", "signal", "scale", "colormap", "opacity", "framing", "model"];

  build() {
    this.inputs = {};
    const rows = [
      this.choice("signal", "Show", ["similarity", "mask"], (value) => store.set({ signal: value })),
      this.choice("scale", "Scale", ["relative", "absolute"], (value) => store.set({ scale: value })),
      this.choice("colormap", "Colours", COLOUR_MAPS, (value) => store.set({ colormap: value })),
      this.slider(),
    ];
    // Framing and model need the server; a saved report has none.
    if (!this.hasAttribute("offline")) {
      rows.push(this.choice("framing", "Framing", ["whole", "center"], (value) => store.set({ framing: value })));
      const models = JSON.parse(this.getAttribute("models") ?? "[]");
      if (models.length > 1) rows.push(this.choice("model", "Model", models, (value) => store.set({ model: value })));
    }
    this.replaceChildren(...rows);
  }

  choice(name, label, values, change) {
    const select = make("select", { name, onchange: () => change(select.value) }, ...values.map((value) => make("option", { value }, value)));
    this.inputs[name] = select;
    return make("label", {}, make("span", {}, label), select);
  }

  slider() {
    const input = make("input", {
      type: "range",
      name: "opacity",
      min: "0",
      max: "1",
      step: "0.05",
      oninput: () => store.set({ opacity: Number(input.value) }),
    });
    this.inputs.opacity = input;
    return make("label", {}, make("span", {}, "Opacity"), input);
  }

  draw() {
    const { scale, colormap, opacity, framing, model } = store.state;
    const values = { signal: store.signal, scale, colormap, opacity, framing, model };
    for (const [name, input] of Object.entries(this.inputs)) {
      if (values[name] != null) input.value = values[name];
    }
  }
}

customElements.define("sge-controls", Controls);
