// The parts below a saved image: one row for each face, and what they were found by.

import { byKind, facesOf, FINDER_NAMES, foundBy, hasUnsure, isSure, scores, title } from "../state/parts.js";
import { colourOfKind } from "./colours.js";

const MAX_FACES = 5;
const LEFT = 1.2;

/** The number of rows that `drawParts` needs. */
export const partRows = (analysis) => Math.min(facesOf(analysis).length, MAX_FACES) + 1;

/**
 * Draws the rows.
 *
 * @param row gives the baseline of a row by its number
 * @param write `(text, x, y, {colour, weight, width})`
 */
export function drawParts(context, analysis, unit, row, write, secondary) {
  const faces = facesOf(analysis);
  faces.slice(0, MAX_FACES).forEach((found, i) => drawFace(context, found, faces.length > 1, analysis, unit, row(i), write, secondary));
  const more = faces.length > MAX_FACES ? `${faces.length - MAX_FACES} more ${faces.length - MAX_FACES === 1 ? "face" : "faces"}; ` : "";
  const unsure = hasUnsure(analysis) ? "; dashed: unsure" : "";
  write(`${more}parts by ${FINDER_NAMES[foundBy(analysis)]}${unsure}`, LEFT * unit, row(partRows(analysis) - 1), { colour: secondary });
}

/** A face's number, and of each kind of its parts the dots, the title and the confidences. */
function drawFace(context, { face, parts }, isOneOfSeveral, analysis, unit, y, write, secondary) {
  let x = LEFT * unit;
  const put = (text, options) => {
    write(text, x, y, { width: 14 * unit, ...options });
    x += context.measureText(text).width;
  };
  if (isOneOfSeveral) put(`Face ${face + 1}`, { colour: secondary });
  if (isOneOfSeveral) x += 0.9 * unit;
  for (const found of byKind(parts, analysis)) {
    for (const part of found.parts) {
      drawDot(context, found.kind, isSure(part), x + 0.4 * unit, y - 0.36 * unit, unit);
      x += unit;
    }
    x += 0.2 * unit;
    put(title(found), { weight: 600 });
    x += 0.4 * unit;
    put(scores(found.parts), { colour: secondary });
    x += 1.2 * unit;
  }
}

/** A full dot, or a dashed ring for an unsure part. */
function drawDot(context, kind, sure, x, y, unit) {
  context.beginPath();
  context.arc(x, y, 0.4 * unit, 0, 2 * Math.PI);
  if (sure) {
    context.fillStyle = colourOfKind(kind);
    context.fill();
    return;
  }
  context.save();
  context.setLineDash([0.26 * unit, 0.16 * unit]);
  context.lineWidth = 0.14 * unit;
  context.strokeStyle = colourOfKind(kind);
  context.stroke();
  context.restore();
}
