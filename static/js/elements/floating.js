// Keeps a strip in sight: while the list that it is about is scrolled away, it lies at the bottom of the visible area.

const MIN_VISIBLE = 40;

/** The nearest ancestor that scrolls, or null for the page. */
function scrollerOf(element) {
  for (let each = element.parentElement; each && each !== document.body; each = each.parentElement) {
    const { display, overflowY } = getComputedStyle(each);
    if (display !== "contents" && /auto|scroll/.test(overflowY)) return each;
  }
  return null;
}

/** The part of the window, from top to bottom, in which `element` can be seen: below a sticky image, inside its scroller. */
function visibleArea(element, { left, right }) {
  const scroller = scrollerOf(element)?.getBoundingClientRect();
  const pane = document.querySelector(".pane");
  const box = pane.getBoundingClientRect();
  const covers = getComputedStyle(pane).position === "sticky" && box.right > left && box.left < right;
  return { top: Math.max(scroller?.top ?? 0, covers ? box.bottom : 0), bottom: scroller?.bottom ?? innerHeight };
}

/**
 * Lets `strip` float while `list` is not visible. Call `update` when the strip changes.
 *
 * @param isWanted whether the strip has something to say
 */
export function floating(strip, list, isWanted) {
  let pending = false;
  const update = () => {
    pending = false;
    const box = list.getBoundingClientRect();
    const { top, bottom } = visibleArea(list, box);
    const isVisible = box.bottom > top + MIN_VISIBLE && box.top < bottom - MIN_VISIBLE;
    const floats = isWanted() && !isVisible;
    strip.classList.toggle("floating", floats);
    const root = document.documentElement;
    const column = scrollerOf(list)?.getBoundingClientRect();
    root.classList.toggle("has-floating", floats);
    root.classList.toggle("floats-in-column", floats && column !== undefined);
    const [left, right] = column ? [column.left, column.right] : [Math.max(0, box.left - 16), Math.min(innerWidth, box.right + 16)];
    const place = { left: `${left}px`, width: `${right - left}px`, bottom: `${innerHeight - bottom}px`, paddingInline: `${box.left - left}px` };
    Object.assign(strip.style, floats ? place : { left: "", width: "", bottom: "", paddingInline: "" });
  };
  const soon = () => {
    if (pending || (!isWanted() && !strip.classList.contains("floating"))) return;
    pending = true;
    requestAnimationFrame(update);
  };
  // Scroll events do not bubble; captured, those of inner scrollers are seen too.
  addEventListener("scroll", soon, { capture: true, passive: true });
  addEventListener("resize", soon);
  return {
    update,
    stop() {
      removeEventListener("scroll", soon, { capture: true });
      removeEventListener("resize", soon);
      document.documentElement.classList.remove("has-floating", "floats-in-column");
    },
  };
}
