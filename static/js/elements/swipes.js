// Horizontal swipes on a touch screen.

const MIN_DISTANCE_PX = 60;

/**
 * Calls `step(1)` or `step(-1)` on a swipe of one finger while `isEnabled()`. Taps remain clicks, and vertical movement
 * scrolls the page.
 */
export function onSwipe(element, step, isEnabled = () => true) {
  let start = null;
  element.addEventListener("touchstart", ({ touches }) => (start = touches.length === 1 && isEnabled() ? touches[0] : null), { passive: true });
  element.addEventListener(
    "touchend",
    ({ changedTouches: [end] }) => {
      if (!start) return;
      const [x, y] = [end.clientX - start.clientX, end.clientY - start.clientY];
      start = null;
      if (Math.abs(x) > MIN_DISTANCE_PX && Math.abs(x) > 2 * Math.abs(y)) step(x < 0 ? 1 : -1);
    },
    { passive: true },
  );
}
