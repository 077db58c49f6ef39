// The parts over the photo, which keeps its own colours: round each a glow from the part's map, and a fine ring.

import { colourOfKind, kindOf, partsByKind } from "./parts.js";
import { enlarged } from "./resample.js";

// Of the picture's shorter side: a ring's smallest and largest radius, and the width of its line.
const [SMALLEST, LARGEST, LINE] = [0.017, 0.2, 0.0024];
// Of the way to the nearest other part, what a ring may have.
const ROOM = 0.46;
// Light reaches this many radii.
const REACH = 2.6;
// Where a peak hardly rises above the threshold, the glow begins at this share of the peak instead.
const [CLEAR, LOWEST] = [1.25, 0.45];
// How much of the photo the colour covers, and how much light it adds, at the brightest.
const [COVER, LIGHT] = [0.34, 0.8];
// How far the photo steps back where there is no part.
const DIM = 0.2;

/** Paints glow and rings over the photo that `canvas` holds; `box` is the window that the network saw. */
export function paintParts(canvas, { analysis, atlases }, box, opacity) {
  const context = canvas.getContext("2d");
  const spots = spotsOf(analysis, canvas);
  dim(context, spots, DIM * opacity);
  for (const { kind } of partsByKind(analysis)) {
    const here = spots.filter((spot) => spot.kind === kind);
    const light = lightOf(atlases.parts.get(kind), analysis.part_maps[kind].threshold, here, box, canvas);
    for (const [mode, share] of [["source-over", COVER], ["screen", LIGHT]]) {
      context.globalCompositeOperation = mode;
      context.globalAlpha = Math.min(1, share * (0.35 + 0.75 * opacity));
      context.drawImage(light, 0, 0);
    }
    context.globalCompositeOperation = "source-over";
    context.globalAlpha = 1;
  }
  spots.forEach((spot) => ring(context, spot, LINE * Math.min(canvas.width, canvas.height)));
}

/** Every part as an ellipse in pixels of the canvas: its box, but no ring reaches into its neighbour's. */
function spotsOf({ parts, geometry }, { width, height }) {
  const factor = width / geometry.picture[0];
  const short = Math.min(width, height);
  const places = parts.map(({ x, y }) => [x * factor, y * factor]);
  return parts.map((part, i) => {
    const [left, top, right, bottom] = part.box.map((edge) => edge * factor);
    const [x, y] = places[i];
    const free = Math.min(...places.map(([x2, y2], k) => (k === i ? Infinity : ROOM * Math.hypot(x2 - x, y2 - y))));
    const within = (radius) => Math.max(SMALLEST * short, Math.min(LARGEST * short, free, radius));
    return { kind: kindOf(part), x, y, rx: within((right - left) / 2), ry: within((bottom - top) / 2) };
  });
}

/** A little dusk over everything but the parts. */
function dim(context, spots, share) {
  const { width, height } = context.canvas;
  const dusk = new OffscreenCanvas(width, height);
  const brush = dusk.getContext("2d");
  brush.fillStyle = "#000";
  brush.fillRect(0, 0, width, height);
  brush.globalCompositeOperation = "destination-out";
  for (const { x, y, rx, ry } of spots) {
    const radius = 6 * Math.max(rx, ry);
    const hole = brush.createRadialGradient(x, y, 0, x, y, radius);
    [[0, 1], [0.3, 0.8], [0.6, 0.3], [1, 0]].forEach(([at, alpha]) => hole.addColorStop(at, `rgb(0 0 0 / ${alpha})`));
    brush.fillStyle = hole;
    brush.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
  }
  context.globalAlpha = share;
  context.drawImage(dusk, 0, 0);
  context.globalAlpha = 1;
}

/** The kind's colour on a clear canvas, as strong as its map near each peak; elsewhere a map never shines. */
function lightOf(atlas, threshold, spots, [left, top, w, h], { width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  const image = new ImageData(width, height);
  const map = enlarged(atlas.cells(0), atlas.width, atlas.height, w, h);
  const value = (x, y) => atlas.lo + atlas.step * map[Math.min(h - 1, Math.max(0, y - top)) * w + Math.min(w - 1, Math.max(0, x - left))];
  const rgb = [1, 3, 5].map((at) => parseInt(colourOfKind(spots[0].kind).slice(at, at + 2), 16));
  for (const { x, y, rx, ry } of spots) {
    const peak = Math.max(value(Math.round(x), Math.round(y)), 1e-3);
    const floor = peak > CLEAR * threshold ? threshold : LOWEST * peak;
    for (let row = Math.max(0, Math.floor(y - REACH * ry)); row <= Math.min(height - 1, y + REACH * ry); row += 1) {
      for (let col = Math.max(0, Math.floor(x - REACH * rx)); col <= Math.min(width - 1, x + REACH * rx); col += 1) {
        const away = Math.hypot((col - x) / rx, (row - y) / ry);
        const rise = Math.min(1, Math.max(0, (value(col, row) - floor) / (peak - floor)));
        const alpha = 255 * fade(away) * rise ** 0.75;
        const p = 4 * (row * width + col);
        if (alpha > image.data[p + 3]) [image.data[p], image.data[p + 1], image.data[p + 2], image.data[p + 3]] = [...rgb, alpha];
      }
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** As light falls off: 1 in the middle, a third at the ring, 0 from REACH on. */
function fade(away) {
  return away < REACH ? Math.exp(-1.1 * away * away) * (1 - (away / REACH) ** 2) : 0;
}

/** A fine line in the kind's colour; a dark one under it, so that it also reads on white and on its own colour. */
function ring(context, { kind, x, y, rx, ry }, line) {
  const width = Math.max(1, line);
  context.beginPath();
  context.ellipse(x, y, rx, ry, 0, 0, 2 * Math.PI);
  context.lineWidth = 2.4 * width;
  context.strokeStyle = "rgb(0 0 0 / 0.22)";
  context.stroke();
  context.save();
  context.shadowColor = colourOfKind(kind);
  context.shadowBlur = 5 * width;
  context.lineWidth = width;
  context.strokeStyle = colourOfKind(kind);
  context.stroke();
  context.restore();
}
