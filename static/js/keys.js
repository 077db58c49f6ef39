// Keys that work wherever nothing else wants them.

import { store } from "./store.js";

const OWN_KEYS = "input, select, textarea, canvas, .tiles";

export function followKeys() {
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape") {
      if (store.state.point) store.set({ point: null });
      else store.set({ pins: [], hover: null, message: null });
      return;
    }
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || event.target.closest?.(OWN_KEYS)) return;
    const last = store.state.pictures.length - 1;
    const current = Math.min(last, Math.max(0, store.state.current + step));
    if (current !== store.state.current) {
      event.preventDefault();
      store.set({ current, hover: null, point: null });
    }
  });
}
