// The button that switches groups off and on: on tiles, on chips and beside parts.

import { make } from "../dom.js";
import { groupName } from "../format.js";
import { gestureFor, isOff, toggleOff } from "../state/switched-off.js";

/**
 * A small round button with the power symbol.
 *
 * @param attributes further attributes, such as `tabindex`
 */
export function switchOffButton(store, group, attributes = {}) {
  const button = make("button", {
    type: "button",
    class: "power",
    ...attributes,
    onclick: (event) => {
      event.stopPropagation();
      toggleOff(store, [group]);
    },
  });
  nameButton(button, store, group);
  return button;
}

/** Writes on the button what it does next. */
export function nameButton(button, store, group) {
  const gesture = gestureFor(store, group);
  button.title = gesture;
  button.setAttribute("aria-label", `${gesture} ${groupName(group)}`);
}

/** Dims and strikes the tiles of groups that are switched off, and names their buttons. */
export function markOff(root, store) {
  for (const cell of root.querySelectorAll(".tile-cell")) {
    const [tile, button] = cell.children;
    const group = { block: tile.dataset.blockOf, group: Number(tile.dataset.group) };
    const off = isOff(store, group);
    cell.classList.toggle("off", off);
    tile.setAttribute("aria-label", off ? `off ${tile.dataset.words}, switched off` : tile.dataset.words);
    if (button) nameButton(button, store, group);
  }
}
