// A finger that wipes over the picture turns to the next one.

const FAR_PX = 60;

/** Calls `turn(1)` or `turn(-1)`; a tap stays a click, and up and down stay the page's. */
export function followSwipes(element, turn) {
  let start = null;
  element.addEventListener("touchstart", ({ touches }) => (start = touches.length === 1 ? touches[0] : null), { passive: true });
  element.addEventListener(
    "touchend",
    ({ changedTouches: [end] }) => {
      if (!start) return;
      const [x, y] = [end.clientX - start.clientX, end.clientY - start.clientY];
      start = null;
      if (Math.abs(x) > FAR_PX && Math.abs(x) > 2 * Math.abs(y)) turn(x < 0 ? 1 : -1);
    },
    { passive: true },
  );
}
