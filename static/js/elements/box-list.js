// The best boxes of a detector as a list; the box under the pointer or the focus is emphasized in the image.

import { make } from "../dom.js";
import { percent } from "../format.js";
import { boxesOf, positionInWords } from "../state/boxes.js";

const MAX_LISTED = 8;
// The narrowest bar, in percent of the track.
const MIN_BAR = 0.5;

/** The list, and below it how many boxes are not listed; empty without boxes. */
export function boxList(store) {
  const boxes = boxesOf(store.image.analysis);
  if (boxes.length === 0) return [];
  const rows = boxes.slice(0, MAX_LISTED).map((box, i) => make("li", {}, row(store, box, i)));
  const rest = boxes.length - rows.length;
  const list = make("ol", { class: "boxes", "data-testid": "boxes", "aria-label": "Boxes, best first" }, ...rows);
  return rest > 0 ? [list, make("p", { class: "quiet" }, `and ${rest} more`)] : [list];
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
