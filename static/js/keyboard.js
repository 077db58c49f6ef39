// Keyboard shortcuts of the whole page. An element that needs a key handles it first.

import { step } from "./state/images.js";
import { store } from "./state/store.js";

const USES_ARROWS = "input, select, textarea, sge-image canvas";
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };
// These work also where the arrow keys move inside the group grid, the block picker or the image.
const LETTER_STEPS = { j: 1, k: -1 };
const ZOOM_STEP = 1.5;
const ZOOMS = { "+": ZOOM_STEP, "=": ZOOM_STEP, "-": 1 / ZOOM_STEP };
const TAKES_TEXT = "input:not([type=radio], [type=range]), select, textarea";

export function listenForKeys() {
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    // A dialog has its own keys, and Escape closes it.
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") return closeTopmost();
    if (handleView(event)) return event.preventDefault();
    const usesArrows = event.target.closest?.(USES_ARROWS);
    const by = LETTER_STEPS[event.key] ?? (usesArrows ? undefined : STEPS[event.key]);
    if (!by || event.target.matches?.("select")) return;
    event.preventDefault();
    step(by);
  });
}

/** Zooms the image (+, -, 0) or fills the screen with it (F). Returns whether the key was one of these. */
function handleView({ key, target }) {
  const view = document.querySelector("sge-image");
  if (target.matches?.(TAKES_TEXT)) return false;
  if (ZOOMS[key]) view.zoom(ZOOMS[key]);
  else if (key === "0") view.resetZoom();
  else if (key === "f") view.toggleFullScreen();
  else return false;
  return true;
}

/** Closes an open popover, else the comparison, else the point, else the pins and messages. */
function closeTopmost() {
  if (document.querySelector(":popover-open")) return;
  if (store.state.compare) return store.set({ compare: null });
  if (store.state.point) return store.set({ point: null });
  store.set({ hover: null, note: null, errors: [] });
  store.setPins([]);
}
