// Controls for how the maps are drawn and how the image is framed.

import { make } from "../dom.js";
import { COLOUR_MAPS, colourTable } from "../drawing/colours.js";
import { boxesOf } from "../state/boxes.js";
import { hasFinder, nothingFound } from "../state/parts.js";
import { hasSimilarity } from "../state/positions.js";
import { store } from "../state/store.js";
import { segments } from "./segments.js";
import { StoreElement } from "./store-element.js";

const SHOWN = [
  ["parts", "Parts", "Parts: noses and eyes, as the part finder finds them in the network\u2019s features"],
  ["similarity", "Similarity", "Similarity: where a group\u2019s features agree with the group\u2019s mean"],
  ["mask", "Mask", "Mask: the factors by which the network multiplies the group"],
  ["gradcam", "Grad-CAM", "Grad-CAM: where the last layer\u2019s features raise the chosen class, after Selvaraju et al., 2017"],
];
// Choices that show no single group.
const WHOLE_VIEWS = new Set(["parts", "gradcam"]);
const SCALES = [
  ["relative", "Relative", "Relative scale: each group between its own smallest and largest value"],
  ["absolute", "Absolute", "Absolute scale: all groups of a block between the same two values"],
];
const BOXES = [
  ["shown", "Shown", "The boxes that the detector found, with label and score"],
  ["hidden", "Hidden", "The image without boxes"],
];
const FRAMINGS = [
  ["whole", "Whole", "The whole image"],
  ["center", "Centre", "The centre square only, as networks are evaluated"],
];

class Controls extends StoreElement {
  static keys = ["images", "current", "signal", "scale", "colormap", "opacity", "framing", "view", "boxes", "compare"];

  build() {
    this.inputs = {};
    const rows = [
      this.segments("signal", "Show", SHOWN, (value) => (WHOLE_VIEWS.has(value) ? { view: value, hover: null } : { view: "groups", signal: value })),
      this.segments("scale", "Scale", SCALES),
      this.segments("colormap", "Colour map", COLOUR_MAPS.map((name) => [name, swatch(name), name])),
      this.slider(),
      this.segments("boxes", "Boxes", BOXES, (value) => ({ boxes: value === "shown" })),
    ];
    this.inputs.colormap.buttons.classList.add("swatches");
    // Framing needs the service, which a saved report does not have.
    if (!this.hasAttribute("offline")) rows.push(this.segments("framing", "Framing", FRAMINGS));
    this.replaceChildren(...rows);
  }

  /** A segmented control whose choice applies to both models of a comparison. */
  segments(name, legend, choices, patch = (value) => ({ [name]: value })) {
    const control = segments(name, legend, choices, (value) => [store, store.second].forEach((each) => each?.set(patch(value))));
    this.inputs[name] = control;
    return control.root;
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
    return make("label", { class: "field", title: "How strongly the map covers the photo" }, make("span", { class: "heading" }, "Overlay strength"), input);
  }

  draw() {
    const { scale, colormap, opacity, framing, boxes } = store.state;
    const signal = WHOLE_VIEWS.has(store.chosenView) ? store.chosenView : store.signal;
    const values = { signal, scale, colormap, opacity: String(opacity), framing, boxes: boxes ? "shown" : "hidden" };
    const findsParts = store.image !== null && hasFinder(store.image.analysis);
    this.inputs.signal.offer("parts", findsParts, findsParts && !store.hasParts ? `Parts: ${nothingFound(store.image.analysis)}` : null);
    this.inputs.boxes.root.hidden = store.image === null || boxesOf(store.image.analysis).length === 0;
    this.inputs.signal.offer("similarity", store.image === null || hasSimilarity(store.image.analysis));
    this.inputs.signal.offer("gradcam", Boolean(store.image?.gradCam));
    for (const [name, input] of Object.entries(this.inputs)) {
      if (values[name] != null) input.value = values[name];
    }
  }
}

function swatch(name) {
  const canvas = make("canvas", { width: "256", height: "1", "aria-hidden": "true" });
  const pixels = new ImageData(256, 1);
  const table = colourTable(name);
  for (let i = 0; i < 256; i += 1) pixels.data.set([...table.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

customElements.define("sge-controls", Controls);
