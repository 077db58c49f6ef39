// The buttons in the corner of the image: zoom out, the zoom (a click shows the whole image), zoom in, full screen.

import { make } from "../dom.js";
import { number } from "../format.js";
import { icon } from "./icon.js";

/**
 * The buttons, and `draw(scale)` that brings them up to date.
 *
 * @param actions `{zoomOut, reset, zoomIn, fullScreen}`
 */
export function zoomTools({ zoomOut, reset, zoomIn, fullScreen }) {
  const button = (name, title, action, face) => make("button", { type: "button", "data-zoom": name, title, "aria-label": title, onclick: action }, face);
  const [out, whole, enlarge] = [
    button("out", "Zoom out (\u2212)", zoomOut, icon("minus")),
    button("reset", "Show the whole image (0)", reset, ""),
    button("in", "Zoom in (+); also the wheel, a double click or two fingers", zoomIn, icon("plus")),
  ];
  const screen = button("screen", "Full screen (F)", fullScreen, icon("expand"));
  screen.hidden = !document.fullscreenEnabled;
  const root = make("div", { class: "zoom-tools", role: "group", "aria-label": "Zoom" }, out, whole, enlarge, screen);
  return {
    root,
    draw(scale) {
      whole.textContent = `${number(scale, 1)}\u00d7`;
      whole.setAttribute("aria-label", `${whole.textContent}: show the whole image (0)`);
      // Not `disabled`: the button that was just pressed would lose the focus.
      for (const each of [out, whole]) each.setAttribute("aria-disabled", String(scale === 1));
      screen.replaceChildren(icon(document.fullscreenElement ? "shrink" : "expand"));
      screen.title = document.fullscreenElement ? "Leave full screen (F)" : "Full screen (F)";
      screen.setAttribute("aria-label", screen.title);
    },
  };
}
