// Keys that work wherever nothing else wants them.

import { step } from "./pictures.js";
import { store } from "./store.js";

const WANTS_ARROWS = "input, select, textarea, sge-picture canvas";
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };
// Also where the arrows walk in a wall, a ladder or over the picture.
const ANYWHERE = { j: 1, k: -1 };

export function followKeys() {
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape") return clear();
    const inArrows = event.target.closest?.(WANTS_ARROWS);
    const by = ANYWHERE[event.key] ?? (inArrows ? undefined : STEPS[event.key]);
    if (!by || event.target.matches?.("select")) return;
    event.preventDefault();
    step(by);
  });
}

/** First what lies on top: an open note, then the second model, then the point, then the pins and messages. */
function clear() {
  if (document.querySelector(":popover-open")) return;
  if (store.state.compare) return store.set({ compare: null });
  if (store.state.point) return store.set({ point: null });
  store.set({ hover: null, note: null, errors: [] });
  store.setPins([]);
}
