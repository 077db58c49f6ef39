// The best boxes of a detector as a list; the box under the pointer or the focus is emphasized in the image.

import { make } from "../dom.js";
import { percent } from "../format.js";
import { boxesOf, MAX_BOXES, positionInWords } from "../state/boxes.js";

const MAX_LISTED = 8;
// The narrowest bar, in percent of the track.
const MIN_BAR = 0.5;

/** The list of the best, the other boxes that are drawn to be opened, and how many are not drawn; empty without boxes. */
export function boxList(store) {
  const boxes = boxesOf(store.image.analysis);
  if (boxes.length === 0) return [];
  const rows = boxes.slice(0, MAX_BOXES).map((box, i) => make("li", {}, row(store, box, i)));
  const others = rows.splice(MAX_LISTED);
  const list = make("ol", { class: "boxes", "data-testid": "boxes", "aria-label": "Boxes, best first" }, ...rows);
  if (others.length === 0) return [list];
  const undrawn = boxes.length - MAX_BOXES;
  return [
    list,
    make(
      "details",
      { class: "more-boxes", "data-testid": "more-boxes" },
      make("summary", {}, `${boxes.length - MAX_LISTED} more boxes`),
      make("ol", { class: "boxes", start: MAX_LISTED + 1, "aria-label": "More boxes" }, ...others),
      undrawn > 0 ? make("p", { class: "quiet" }, `${undrawn} more are in the JSON and are not drawn.`) : null,
    ),
  ];
}

function row(store, box, i) {
  const mark = () => store.set({ markedBox: i });
  const clear = () => store.set({ markedBox: null });
  const fill = make("span", { class: "fill" });
  fill.style.width = `${Math.max(100 * box.score, MIN_BAR)}%`;
  return make(
    "button",
    { type: "button", class: "row", title: positionInWords(box), onpointerenter: mark, onpointerleave: clear, onfocus: mark, onblur: clear, onclick: () => store.set({ boxes: true, markedBox: i }) },
    make("span", { class: "label" }, box.label),
    " ",
    make("span", { class: "track", "aria-hidden": "true" }, fill),
    make("span", { class: "percent" }, percent(box.score)),
  );
}
