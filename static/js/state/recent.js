// Which images stay open: those that were shown last. The others keep the service's answers outside of the tab's heap.

import { closed } from "./opening.js";

// An open image holds about 4 MB: its maps, its record, and its pixels.
const MAX_OPEN = 12;
const lastShown = new Map();
let serial = 0;

export function noteShown(key) {
  serial += 1;
  lastShown.set(key, serial);
}

/** The entries with all but the last images closed, or null where none is to be closed. */
export function closeOld({ images, current, requested }) {
  const time = ({ key }) => lastShown.get(key) ?? 0;
  const open = images.filter(({ key, analysis, status }) => analysis && status === "ready" && key !== current && key !== requested);
  const old = new Set(open.sort((a, b) => time(b) - time(a)).slice(MAX_OPEN));
  return old.size > 0 ? images.map((entry) => (old.has(entry) ? { ...entry, ...closed(entry.bodies) } : entry)) : null;
}
