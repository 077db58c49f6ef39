// Draws the boxes of a detector over the photo: a rectangle each, and its label with its score.

import { boxesOf, boxInWords, MAX_BOXES } from "../state/boxes.js";

const MAX_LETTERS = 40;
// As fractions of the canvas's shorter side.
const [LINE, FONT] = [1 / 300, 1 / 42];
const [MIN_FONT, MAX_FONT] = [11, 30];
const [INK, PAPER, CASING] = ["#fff", "rgb(22 24 29 / 0.85)", "rgb(0 0 0 / 0.6)"];
const FADED = 0.35;

/**
 * Draws the boxes over the photo in `canvas`, the best one last, so that its label is not covered.
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
  const order = [...boxesOf(analysis).slice(0, MAX_BOXES).keys()].reverse().sort((a, b) => (a === marked) - (b === marked));
  for (const i of order) {
    const box = analysis.boxes[i];
    context.globalAlpha = marked === null || i === marked ? 1 : FADED;
    const rectangle = rectangleOf(box, analysis.geometry, canvas, window);
    drawRectangle(context, rectangle, i === marked ? 2 * line : line);
    drawLabel(context, boxInWords({ ...box, label: shortened(box.label) }), rectangle, unit);
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

/** Writes above the rectangle, or inside where there is no room. */
function drawLabel(context, text, [left, top, width, height], unit) {
  const { canvas } = context;
  if (left > canvas.width || top > canvas.height || left + width < 0 || top + height < 0) return;
  const [across, down] = [context.measureText(text).width + unit, Math.round(1.4 * unit)];
  const x = Math.max(0, Math.min(left, canvas.width - across));
  const y = Math.max(0, Math.min(top >= down ? top - down : top, canvas.height - down));
  context.fillStyle = PAPER;
  context.fillRect(x, y, across, down);
  context.fillStyle = INK;
  context.fillText(text, x + unit / 2, y + down / 2);
}
