// The coloured dot that marks a kind of part in the legend, on tiles and in the block picker.

import { colourOfKind } from "../drawing/colours.js";
import { make } from "../dom.js";

export function partDot(kind) {
  const dot = make("i", { class: "part-dot", "aria-hidden": "true" });
  dot.style.background = colourOfKind(kind);
  return dot;
}
