// Roving focus: a row or grid of buttons is a single tab stop, and arrow keys move inside it. This applies only while the
// focus is visible; after a mouse click the arrow keys still switch between images.

/**
 * Gives the elements that match `selector` in `root` one tab stop. Call `setTabStop` after they have changed.
 *
 * @param onMove is called with the element that an arrow key has led to
 */
export function rovingFocus(root, selector, onMove = () => {}) {
  const all = () => [...root.querySelectorAll(selector)];
  const setTabStop = (element) => all().forEach((other) => (other.tabIndex = other === element ? 0 : -1));
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !document.activeElement.matches(":focus-visible")) return;
    const next = neighbour(all(), document.activeElement, event.key);
    if (!next) return;
    event.preventDefault();
    event.stopPropagation();
    setTabStop(next);
    next.focus();
    onMove(next);
  });
  root.addEventListener("focusin", (event) => event.target.matches(selector) && setTabStop(event.target));
  return {
    /** Moves the tab stop to `element`, or to the first one. */
    setTabStop: (element = all()[0]) => setTabStop(element),
  };
}

/** The element that an arrow key leads to. Up and down go to the nearest element of the adjacent visual line. */
function neighbour(all, from, key) {
  const index = all.indexOf(from);
  if (index < 0) return null;
  const targets = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: all.length - 1 };
  if (key in targets) return all[Math.min(all.length - 1, Math.max(0, targets[key]))];
  const direction = { ArrowDown: 1, ArrowUp: -1 }[key];
  if (!direction) return null;
  const { left, top } = from.getBoundingClientRect();
  const beyond = all
    .map((element) => ({ element, box: element.getBoundingClientRect() }))
    .filter(({ box }) => (box.top - top) * direction > 4)
    .sort((a, b) => (a.box.top - b.box.top) * direction || Math.abs(a.box.left - left) - Math.abs(b.box.left - left));
  return beyond[0]?.element ?? from;
}
