// Small line icons, drawn as SVG elements. They are decoration: the button around them has the name.

import { makeSvg } from "../dom.js";

const PATHS = {
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  expand: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  shrink: "M6 2.5V6H2.5M13.5 6H10V2.5M10 13.5V10h3.5M2.5 10H6v3.5",
  previous: "M10 3 5 8l5 5",
  next: "M6 3l5 5-5 5",
  play: "M5 3v10l8-5z",
  pause: "M5.5 3v10M10.5 3v10",
  close: "M4 4l8 8M12 4l-8 8",
};

/** An icon of 16 x 16 CSS pixels in the colour of the text. */
export function icon(name) {
  return makeSvg("svg", { viewBox: "0 0 16 16", width: 16, height: 16, class: "icon", "aria-hidden": "true" }, makeSvg("path", { d: PATHS[name] }));
}
