// The coloured dot that marks a kind of part in the legend, on tiles and in the block picker.

import { colourOfKind } from "../drawing/colours.js";
import { make } from "../dom.js";

/** @param isSure whether the dot is full; else it is a dashed ring, as around an unsure part in the image */
export function partDot(kind, isSure = true) {
  const dot = make("i", { class: isSure ? "part-dot" : "part-dot unsure", "aria-hidden": "true" });
  dot.style.setProperty("--part", colourOfKind(kind));
  return dot;
}
