// One tab stop for a row or grid of buttons; arrow keys walk in it, for whoever came by keyboard: after a click of the
// mouse the arrows stay with the pictures.

/** Makes `selector`'s elements in `root` share a tab stop. Call `settle` after they have changed. */
export function rove(root, selector) {
  const all = () => [...root.querySelectorAll(selector)];
  const choose = (one) => all().forEach((other) => (other.tabIndex = other === one ? 0 : -1));
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !document.activeElement.matches(":focus-visible")) return;
    const next = neighbour(all(), document.activeElement, event.key);
    if (!next) return;
    event.preventDefault();
    event.stopPropagation();
    choose(next);
    next.focus();
  });
  root.addEventListener("focusin", (event) => event.target.matches(selector) && choose(event.target));
  return {
    /** The tab stop goes to `one`, or to the first. */
    settle: (one = all()[0]) => choose(one),
  };
}

/** Up and down go to the line above or below, wherever lines break just now. */
function neighbour(all, from, key) {
  const at = all.indexOf(from);
  if (at < 0) return null;
  const steps = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 };
  if (key in steps) return all[Math.min(all.length - 1, Math.max(0, steps[key]))];
  const down = { ArrowDown: 1, ArrowUp: -1 }[key];
  if (!down) return null;
  const { left, top } = from.getBoundingClientRect();
  const beyond = all
    .map((one) => ({ one, box: one.getBoundingClientRect() }))
    .filter(({ box }) => (box.top - top) * down > 4)
    .sort((a, b) => (a.box.top - b.box.top) * down || Math.abs(a.box.left - left) - Math.abs(b.box.left - left));
  return beyond[0]?.one ?? from;
}
