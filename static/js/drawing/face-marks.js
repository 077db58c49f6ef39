// Marks the faces to which the parts belong: lines between the parts of the emphasized face, and the number of each face.

// The font size as a fraction of the canvas's shorter side, and its limits in pixels.
const [FONT, MIN_FONT, MAX_FONT] = [1 / 42, 11, 30];
const [INK, PAPER, MARKED_PAPER] = ["#fff", "rgb(22 24 29 / 0.8)", "#0a63c2"];

/** Draws a line from each part to the first one, which ends at their rings. */
export function linkParts(context, ellipses, width) {
  const [first, ...others] = ellipses;
  for (const other of others) {
    const [from, to] = [edgeTowards(first, other), edgeTowards(other, first)];
    for (const [line, style] of [[3 * width, "rgb(0 0 0 / 0.45)"], [1.4 * width, "rgb(255 255 255 / 0.9)"]]) {
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.lineWidth = line;
      context.strokeStyle = style;
      context.stroke();
    }
  }
}

/** The point of an ellipse's ring in the direction of another one's centre. */
function edgeTowards({ x, y, rx, ry }, other) {
  const [dx, dy] = [other.x - x, other.y - y];
  const distance = Math.hypot(dx / rx, dy / ry) || 1;
  return [x + dx / distance, y + dy / distance];
}

/** Writes the number of each face beside its parts, unless there is only one. A number that would cover another one is left out. */
export function numberFaces(context, ellipses, markedFace) {
  const faces = [...new Set(ellipses.map(({ face }) => face))].sort((a, b) => a - b);
  if (faces.length < 2) return;
  const { width, height } = context.canvas;
  const unit = Math.round(Math.min(MAX_FONT, Math.max(MIN_FONT, FONT * Math.min(width, height))));
  const taken = [];
  context.save();
  context.font = `600 ${unit}px ${getComputedStyle(document.body).fontFamily}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const face of faces) {
    const text = String(face + 1);
    const size = [Math.max(1.4 * unit, context.measureText(text).width + 0.8 * unit), 1.4 * unit];
    const place = placesOf(ellipses.filter((ellipse) => ellipse.face === face), size).find((one) => isFree(one, size, taken, [width, height]));
    if (!place) continue;
    taken.push(place);
    context.fillStyle = face === markedFace ? MARKED_PAPER : PAPER;
    context.beginPath();
    context.roundRect(...place, ...size, 0.3 * unit);
    context.fill();
    context.fillStyle = INK;
    context.fillText(text, place[0] + size[0] / 2, place[1] + size[1] / 2);
  }
  context.restore();
}

/** Where a face's number may stand: above its rings, below, on the right or on the left. */
function placesOf(ellipses, [across, down]) {
  const [left, right] = [Math.min(...ellipses.map(({ x, rx }) => x - rx)), Math.max(...ellipses.map(({ x, rx }) => x + rx))];
  const [top, bottom] = [Math.min(...ellipses.map(({ y, ry }) => y - ry)), Math.max(...ellipses.map(({ y, ry }) => y + ry))];
  const [x, y, gap] = [(left + right - across) / 2, (top + bottom - down) / 2, 0.25 * down];
  return [[x, top - down - gap], [x, bottom + gap], [right + gap, y], [left - across - gap, y]];
}

function isFree([x, y], [across, down], taken, [width, height]) {
  const isInside = x >= 0 && y >= 0 && x + across <= width && y + down <= height;
  return isInside && taken.every(([otherX, otherY]) => Math.abs(otherX - x) >= across || Math.abs(otherY - y) >= down);
}
