// How the maps are shown, and how the picture is framed.

import { COLOUR_MAPS, colourTable } from "./colours.js";
import { make } from "./dom.js";
import { hasFinder } from "./parts.js";
import { segments } from "./segments.js";
import { store, StoreElement } from "./store.js";

const SHOWN = [
  ["parts", "Parts", "Parts: nose and eyes, where the network\u2019s groups find them"],
  ["similarity", "Similarity", "Similarity: where a group\u2019s features agree with the group\u2019s mean"],
  ["mask", "Mask", "Mask: what the network multiplies the group by"],
];
const SCALES = [
  ["relative", "Relative", "Relative scale: each group between its own smallest and largest value"],
  ["absolute", "Absolute", "Absolute scale: all groups of a block between the same two values"],
];
const FRAMINGS = [
  ["whole", "Whole", "The whole picture, as it is"],
  ["center", "Centre", "The centre square only, as networks are evaluated"],
];

class Controls extends StoreElement {
  static keys = ["pictures", "current", "signal", "scale", "colormap", "opacity", "framing", "view", "compare"];

  build() {
    this.inputs = {};
    const rows = [
      this.segments("signal", "Show", SHOWN, (value) => (value === "parts" ? { view: value, hover: null } : { view: "groups", signal: value })),
      this.segments("scale", "Scale", SCALES),
      this.segments("colormap", "Colour map", COLOUR_MAPS.map((name) => [name, swatch(name), name])),
      this.slider(),
    ];
    rows[2].classList.add("swatches");
    // Framing needs the server; a saved report has none.
    if (!this.hasAttribute("offline")) rows.push(this.segments("framing", "Framing", FRAMINGS));
    this.replaceChildren(...rows);
  }

  /** Where two models are compared, what is chosen holds for both. */
  segments(name, legend, choices, patch = (value) => ({ [name]: value })) {
    const one = segments(name, legend, choices, (value) => [store, store.second].forEach((each) => each?.set(patch(value))));
    this.inputs[name] = one;
    return one.root;
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
    return make("label", { class: "menu" }, make("span", {}, "Light"), input);
  }

  draw() {
    const { scale, colormap, opacity, framing } = store.state;
    const signal = store.chosenView === "parts" ? "parts" : store.signal;
    const values = { signal, scale, colormap, opacity: String(opacity), framing };
    const there = store.picture !== null && hasFinder(store.picture.analysis);
    this.inputs.signal.offer("parts", there, there && !store.hasParts ? "Parts: no face was found in this picture" : null);
    for (const [name, input] of Object.entries(this.inputs)) {
      if (values[name] != null) input.value = values[name];
    }
  }
}

function swatch(name) {
  const canvas = make("canvas", { width: "256", height: "1", "aria-hidden": "true" });
  const image = new ImageData(256, 1);
  const table = colourTable(name);
  for (let i = 0; i < 256; i += 1) image.data.set([...table.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

customElements.define("sge-controls", Controls);
