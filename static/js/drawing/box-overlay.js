// Draws the boxes of a detector over the photo: a rectangle each, and its label with its score.

import { boxesOf, boxInWords, isLikely, MAX_BOXES } from "../state/boxes.js";

const MAX_LETTERS = 40;
// As fractions of the canvas's shorter side.
const [LINE, FONT] = [1 / 300, 1 / 42];
const [MIN_FONT, MAX_FONT] = [11, 30];
const [INK, PAPER, CASING] = ["#fff", "rgb(22 24 29 / 0.85)", "rgb(0 0 0 / 0.6)"];
const FADED = 0.35;

/**
 * Draws the boxes over the photo in `canvas`, the best one last, then their labels. A label that would cover one of a better
 * box is left out; that of the emphasized box is always there.
 *
 * @param window what the canvas shows, in fractions of the image
 * @param marked the position of the box that is emphasized, or null
 */
export function paintBoxes(canvas, analysis, window, marked) {
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  const short = Math.min(width, height);
  const line = Math.max(1, Math.round(LINE * short));
  const unit = Math.round(Math.min(MAX_FONT, Math.max(MIN_FONT, FONT * short)));
  context.save();
  context.font = `${unit}px ${getComputedStyle(document.body).fontFamily}`;
  context.textBaseline = "middle";
  const order = [...boxesOf(analysis).slice(0, MAX_BOXES).keys()]
    .filter((i) => i === marked || isLikely(analysis, i))
    .reverse()
    .sort((a, b) => (a === marked) - (b === marked));
  const rectangles = order.map((i) => rectangleOf(analysis.boxes[i], analysis.geometry, canvas, window));
  const fade = (i) => (context.globalAlpha = marked === null || i === marked ? 1 : FADED);
  order.forEach((i, at) => {
    fade(i);
    drawRectangle(context, rectangles[at], i === marked ? 2 * line : line);
  });
  const taken = [];
  for (let at = order.length - 1; at >= 0; at -= 1) {
    const box = analysis.boxes[order[at]];
    fade(order[at]);
    drawLabel(context, boxInWords({ ...box, label: shortened(box.label) }), rectangles[at], unit, taken);
  }
  context.restore();
}

const shortened = (label) => (label.length > MAX_LETTERS ? `${label.slice(0, MAX_LETTERS - 1)}\u2026` : label);

/** Left, top, width and height in pixels of the canvas. */
function rectangleOf({ x, y, width, height }, { image }, canvas, window) {
  const [fullWidth, fullHeight] = [canvas.width / window.width, canvas.height / window.height];
  return [
    (x / image[0] - window.left) * fullWidth,
    (y / image[1] - window.top) * fullHeight,
    (width / image[0]) * fullWidth,
    (height / image[1]) * fullHeight,
  ];
}

/** A white line on a dark one, so that it is visible on every photo. Its edges lie on those of pixels. */
function drawRectangle(context, [left, top, width, height], line) {
  const [x, y] = [left, top].map((edge) => Math.round(edge) + (line % 2) / 2);
  const rectangle = [x, y, Math.round(width), Math.round(height)];
  for (const [width, style] of [[3 * line, CASING], [line, INK]]) {
    context.lineWidth = width;
    context.strokeStyle = style;
    context.strokeRect(...rectangle);
  }
}

/** Writes where no label is yet: above the rectangle, inside, or below; adds the place to `taken`. */
function drawLabel(context, text, rectangle, unit, taken) {
  const { canvas } = context;
  const [left, top, width, height] = rectangle;
  if (left > canvas.width || top > canvas.height || left + width < 0 || top + height < 0) return;
  const size = [Math.min(canvas.width, context.measureText(text).width + unit), Math.round(1.4 * unit)];
  const place = placesOf(rectangle, size, canvas).find((one) => !taken.some((other) => overlap(one, other, size[1])));
  if (!place) return;
  taken.push(place);
  const [x, y, across, down] = place;
  context.fillStyle = PAPER;
  context.fillRect(x, y, across, down);
  context.fillStyle = INK;
  context.fillText(text, x + unit / 2, y + down / 2);
}

/** Where a label may stand inside the canvas: left, top, width, height; the best place first. */
function placesOf([left, top, width, height], [across, down], canvas) {
  const [right, bottom] = [left + width - across, top + height];
  const corners = [[left, top >= down ? top - down : top], [left, top], [right, top - down], [right, top], [left, bottom - down], [left, bottom], [right, bottom]];
  const inside = (value, limit) => Math.max(0, Math.min(value, limit));
  return corners.map(([x, y]) => [inside(x, canvas.width - across), inside(y, canvas.height - down), across, down]);
}

/** Whether two labels of one height cover each other. */
const overlap = ([x, y, width], [otherX, otherY, otherWidth], down) => x < otherX + otherWidth && otherX < x + width && Math.abs(y - otherY) < down;
