// Draws the parts over the photo: around each part a coloured highlight from its map, and a thin ring, which is dashed where
// the part is unsure.

import { byKind, faceOf, isSure, kindOf } from "../state/parts.js";
import { colourOfKind, rgbOf } from "./colours.js";
import { linkParts, numberFaces } from "./face-marks.js";
import { visiblePart } from "./overlay.js";
import { enlarged } from "./resample.js";

// Radii and line width of a ring, as fractions of the image's shorter side.
const [MIN_RADIUS, MAX_RADIUS, LINE_WIDTH] = [0.017, 0.2, 0.0024];
// A ring's largest radius as a fraction of the distance to the nearest other part.
const NEIGHBOUR_FRACTION = 0.46;
// The highlight ends at this many radii.
const REACH = 2.6;
// Where the peak is below CLEAR_PEAK times the threshold, the highlight starts at LOW_START times the peak instead.
const [CLEAR_PEAK, LOW_START] = [1.25, 0.45];
// Alpha of the two passes at the peak: covering the photo, and brightening it.
const [COVER, BRIGHTEN] = [0.34, 0.8];
// How much the photo is darkened away from the parts.
const DARKENING = 0.2;
// Strength of the highlight of an unsure part, and of the parts of other faces while one is emphasized.
const [UNSURE, OTHER_FACE] = [0.45, 0.3];
const FADED_RING = 0.5;
// A dashed ring is wider and lighter, so that it is visible although it is interrupted.
const [UNSURE_WIDTH, LIGHTER] = [1.4, 0.4];

/**
 * Draws the parts over the photo in `canvas`.
 *
 * @param box the window that the network saw, in pixels of the canvas
 * @param window what the canvas shows, in fractions of the image
 * @param markedFace the number of the face that is emphasized, or null
 */
export function paintParts(canvas, { analysis, atlases }, box, opacity, window, markedFace = null) {
  const marked = analysis.parts.some((part) => faceOf(part) === markedFace) ? markedFace : null;
  const context = canvas.getContext("2d");
  const ellipses = ellipsesOf(analysis, canvas, window, marked);
  darkenAround(context, ellipses, DARKENING * opacity);
  for (const { kind } of byKind(analysis.parts, analysis)) {
    const ofKind = ellipses.filter((ellipse) => ellipse.kind === kind);
    const highlight = highlightOf(atlases.parts.get(kind), analysis.part_maps[kind].threshold, ofKind, box, canvas);
    for (const [mode, alpha] of [["source-over", COVER], ["screen", BRIGHTEN]]) {
      context.globalCompositeOperation = mode;
      context.globalAlpha = Math.min(1, alpha * (0.35 + 0.75 * opacity));
      context.drawImage(highlight, 0, 0);
    }
    context.globalCompositeOperation = "source-over";
    context.globalAlpha = 1;
  }
  const line = Math.max(1, LINE_WIDTH * Math.min(canvas.width, canvas.height));
  if (marked !== null) linkParts(context, ellipses.filter(({ face }) => face === marked), line);
  ellipses.forEach((ellipse) => drawRing(context, ellipse, ellipse.face === marked ? 1.8 * line : line));
  numberFaces(context, ellipses, marked);
}

/** Every part as an ellipse in pixels of the canvas: its box, limited so that no ring overlaps its neighbour. */
function ellipsesOf({ parts, geometry }, { width, height }, window, markedFace) {
  const [fullWidth, fullHeight] = [width / window.width, height / window.height];
  const factor = fullWidth / geometry.image[0];
  const short = Math.min(fullWidth, fullHeight);
  const centres = parts.map(({ x, y }) => [x * factor - window.left * fullWidth, y * factor - window.top * fullHeight]);
  return parts.map((part, i) => {
    const [left, top, right, bottom] = part.box.map((edge) => edge * factor);
    const [x, y] = centres[i];
    const free = Math.min(...centres.map(([x2, y2], k) => (k === i ? Infinity : NEIGHBOUR_FRACTION * Math.hypot(x2 - x, y2 - y))));
    const limited = (radius) => Math.max(MIN_RADIUS * short, Math.min(MAX_RADIUS * short, free, radius));
    const face = faceOf(part);
    const isFaded = markedFace !== null && face !== markedFace;
    return { kind: kindOf(part), face, isFaded, sure: isSure(part), strength: (isSure(part) ? 1 : UNSURE) * (isFaded ? OTHER_FACE : 1), x, y, rx: limited((right - left) / 2), ry: limited((bottom - top) / 2) };
  });
}

/** Darkens the photo with a soft hole around each part. */
function darkenAround(context, ellipses, alpha) {
  const { width, height } = context.canvas;
  const layer = new OffscreenCanvas(width, height);
  const brush = layer.getContext("2d");
  brush.fillStyle = "#000";
  brush.fillRect(0, 0, width, height);
  brush.globalCompositeOperation = "destination-out";
  for (const { x, y, rx, ry } of ellipses) {
    const radius = 6 * Math.max(rx, ry);
    const hole = brush.createRadialGradient(x, y, 0, x, y, radius);
    [[0, 1], [0.3, 0.8], [0.6, 0.3], [1, 0]].forEach(([at, strength]) => hole.addColorStop(at, `rgb(0 0 0 / ${strength})`));
    brush.fillStyle = hole;
    brush.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
  }
  context.globalAlpha = alpha;
  context.drawImage(layer, 0, 0);
  context.globalAlpha = 1;
}

/** The kind's colour on a transparent canvas, with the map's strength near each part and nothing elsewhere. */
function highlightOf(atlas, threshold, ellipses, box, { width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  const seen = visiblePart(box, canvas);
  if (seen === null) return canvas;
  const pixels = new ImageData(width, height);
  const value = valuesIn(atlas, box, seen);
  const rgb = rgbOf(colourOfKind(ellipses[0].kind));
  for (const { x, y, rx, ry, strength: most } of ellipses) {
    const centre = [Math.round(x), Math.round(y)];
    const peak = Math.max(valuesIn(atlas, box, [...centre, 1, 1])(...centre), 1e-3);
    const floor = peak > CLEAR_PEAK * threshold ? threshold : LOW_START * peak;
    for (let row = Math.max(0, Math.floor(y - REACH * ry)); row <= Math.min(height - 1, y + REACH * ry); row += 1) {
      for (let col = Math.max(0, Math.floor(x - REACH * rx)); col <= Math.min(width - 1, x + REACH * rx); col += 1) {
        const distance = Math.hypot((col - x) / rx, (row - y) / ry);
        const strength = Math.min(1, Math.max(0, (value(col, row) - floor) / (peak - floor)));
        const alpha = 255 * most * falloff(distance) * strength ** 0.75;
        const p = 4 * (row * width + col);
        if (alpha > pixels.data[p + 3]) [pixels.data[p], pixels.data[p + 1], pixels.data[p + 2], pixels.data[p + 3]] = [...rgb, alpha];
      }
    }
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

/** A function that reads the enlarged map at pixels of the canvas; it is computed for `part` of the canvas only. */
function valuesIn(atlas, [left, top, w, h], [partLeft, partTop, partWidth, partHeight]) {
  const clamp = (value, length) => Math.min(length - 1, Math.max(0, value));
  const [x0, y0] = [clamp(partLeft - left, w), clamp(partTop - top, h)];
  const map = enlarged(atlas.cells(0), atlas.width, atlas.height, w, h, [x0, y0, partWidth, partHeight]);
  return (x, y) => atlas.lo + atlas.step * map[clamp(y - top - y0, partHeight) * partWidth + clamp(x - left - x0, partWidth)];
}

/** 1 at the centre, about a third at the ring (distance 1), 0 from REACH on. */
function falloff(distance) {
  return distance < REACH ? Math.exp(-1.1 * distance * distance) * (1 - (distance / REACH) ** 2) : 0;
}

/** A thin ring in the kind's colour with a dark one under it, so that it is visible on white and on its own colour; dashed if unsure. */
function drawRing(context, { kind, x, y, rx, ry, sure, isFaded }, width) {
  context.save();
  context.globalAlpha = isFaded ? FADED_RING : 1;
  if (!sure) context.setLineDash(dashes(rx, ry, width));
  context.beginPath();
  context.ellipse(x, y, rx, ry, 0, 0, 2 * Math.PI);
  context.lineWidth = 2.4 * width;
  context.strokeStyle = sure ? "rgb(0 0 0 / 0.22)" : "rgb(0 0 0 / 0.55)";
  context.stroke();
  if (sure) [context.shadowColor, context.shadowBlur] = [colourOfKind(kind), 5 * width];
  context.lineWidth = sure ? width : UNSURE_WIDTH * width;
  context.strokeStyle = sure ? colourOfKind(kind) : lighter(colourOfKind(kind));
  context.stroke();
  context.restore();
}

/** A colour mixed with white. */
function lighter(colour) {
  return `rgb(${rgbOf(colour).map((value) => Math.round(value + LIGHTER * (255 - value))).join(" ")})`;
}

/** Dashes and gaps of one length, as many as fit around the ring. */
function dashes(rx, ry, width) {
  const around = Math.PI * (rx + ry);
  const count = Math.max(5, Math.round(around / (10 * width)));
  return [(0.55 * around) / count, (0.45 * around) / count];
}
