// Zooming and panning of a canvas: wheel, double click and drag with a mouse; two fingers, or one when zoomed, on a touch
// screen. One finger on the whole image remains with the page, which scrolls, and with swipes.

const WHEEL_RATE = 0.0022;
// A trackpad's pinch arrives as a wheel event with `ctrlKey` and small steps.
const PINCH_RATE = 0.012;
const MIN_DRAG_PX = 4;
const DOUBLE_CLICK_FACTOR = 2.5;

/**
 * Calls `view` on gestures over `canvas`.
 *
 * @param view `{isZoomed, scrolls, zoom(factor, client), pan(dx, dy), reset()}`: `client` is a position {x, y} on the
 *   screen, `dx` and `dy` are pixels of the screen, and `scrolls()` tells whether the wheel scrolls the page there
 */
export function listenForZoom(canvas, view) {
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && view.scrolls() && !view.isZoomed()) return;
      event.preventDefault();
      const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1);
      view.zoom(Math.exp(-pixels * (event.ctrlKey ? PINCH_RATE : WHEEL_RATE)), { x: event.clientX, y: event.clientY });
    },
    { passive: false },
  );
  canvas.addEventListener("dblclick", (event) => {
    event.preventDefault();
    if (view.isZoomed()) view.reset();
    else view.zoom(DOUBLE_CLICK_FACTOR, { x: event.clientX, y: event.clientY });
  });
  listenForDrags(canvas, view);
  listenForFingers(canvas, view);
}

/** Drags with a mouse or pen. The click that ends a drag is swallowed, because it would set the point. */
function listenForDrags(canvas, view) {
  let last = null;
  let hasMoved = false;
  canvas.addEventListener("pointerdown", (event) => {
    hasMoved = false;
    if (event.pointerType === "touch" || event.button !== 0 || !view.isZoomed()) return;
    last = { x: event.clientX, y: event.clientY };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", ({ clientX: x, clientY: y }) => {
    if (last === null) return;
    if (!hasMoved && Math.hypot(x - last.x, y - last.y) < MIN_DRAG_PX) return;
    hasMoved = true;
    view.pan(x - last.x, y - last.y);
    last = { x, y };
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (last = null));
  canvas.addEventListener("click", (event) => hasMoved && event.stopImmediatePropagation(), { capture: true });
}

/** Two fingers zoom and pan; one finger pans while the image is zoomed. */
function listenForFingers(canvas, view) {
  let last = null;
  const read = ({ touches: [a, b] }) => {
    if (!a) return null;
    if (!b) return { x: a.clientX, y: a.clientY, distance: 0 };
    return { x: (a.clientX + b.clientX) / 2, y: (a.clientY + b.clientY) / 2, distance: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) };
  };
  for (const name of ["touchstart", "touchend", "touchcancel"]) canvas.addEventListener(name, (event) => (last = read(event)), { passive: true });
  canvas.addEventListener(
    "touchmove",
    (event) => {
      const now = read(event);
      const isPinch = event.touches.length === 2;
      if (!last || (!isPinch && !view.isZoomed())) return;
      if (event.cancelable) event.preventDefault();
      if (isPinch && last.distance > 0) view.zoom(now.distance / last.distance, now);
      view.pan(now.x - last.x, now.y - last.y);
      last = now;
    },
    { passive: false },
  );
}
