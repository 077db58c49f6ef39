// The zoom of the image view: how far it is enlarged, and which part of the image its box then shows.

/** Whole image in its box. `x` and `y` are the middle of what is shown, as fractions of the image. */
export const NO_ZOOM = Object.freeze({ scale: 1, x: 0.5, y: 0.5 });
/** The whole image, as fractions of it. */
export const WHOLE = Object.freeze({ left: 0, top: 0, width: 1, height: 1 });
const MAX_SCALE = 16;

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/**
 * How an image is laid out in a box: width and height on the screen, and the visible window as fractions of the image.
 *
 * @param size width and height of the image, in pixels
 * @param box width and height of the box, in CSS pixels
 */
export function layOut({ scale, x, y }, size, box) {
  const factor = scale * Math.min(box[0] / size[0], box[1] / size[1]);
  const [width, height] = [0, 1].map((axis) => Math.min(1, box[axis] / (size[axis] * factor)));
  const window = { left: clamp(x - width / 2, 0, 1 - width), top: clamp(y - height / 2, 0, 1 - height), width, height };
  const [shownWidth, shownHeight] = [width * size[0] * factor, height * size[1] * factor].map((side) => Math.max(1, Math.round(side)));
  return { width: shownWidth, height: shownHeight, window };
}

/** The same zoom with its middle moved so that the box shows nothing beside the image. */
function inside(zoom, size, box) {
  const { window } = layOut(zoom, size, box);
  return { scale: zoom.scale, x: window.left + window.width / 2, y: window.top + window.height / 2 };
}

/** Enlarges by `factor`. The position `at`, in fractions of the image, keeps its place on the screen where it can. */
export function zoomBy(zoom, factor, at, size, box) {
  const scale = clamp(zoom.scale * factor, 1, MAX_SCALE);
  const ratio = zoom.scale / scale;
  return scale === 1 ? NO_ZOOM : inside({ scale, x: at.x + (zoom.x - at.x) * ratio, y: at.y + (zoom.y - at.y) * ratio }, size, box);
}

/** Moves what is shown by `dx` and `dy`, in fractions of the image. */
export function panBy(zoom, dx, dy, size, box) {
  return inside({ scale: zoom.scale, x: zoom.x + dx, y: zoom.y + dy }, size, box);
}

/** Moves what is shown just so far that the position `at` is well inside of it. */
export function panTo(zoom, at, size, box) {
  const { window } = layOut(zoom, size, box);
  const margin = 0.15;
  const shift = (value, start, length) => {
    const [low, high] = [start + margin * length, start + (1 - margin) * length];
    return value < low ? value - low : value > high ? value - high : 0;
  };
  const [dx, dy] = [shift(at.x, window.left, window.width), shift(at.y, window.top, window.height)];
  return dx === 0 && dy === 0 ? zoom : panBy(zoom, dx, dy, size, box);
}
