// The view as one picture to keep or send: photo with its parts or groups, legend and classes.

import { groupName, make, number, percent } from "./dom.js";
import { paintBar } from "./glow.js";
import { colourOf, Painter, shadesFor } from "./paint.js";
import { colourOfKind, partsByKind, scores, title } from "./parts.js";
import { store } from "./store.js";

const [SHORTEST, LONGEST] = [1200, 1800];
const [PAPER, INK, SOFT] = ["#161616", "#f2f2f2", "#a8a8a8"];
const LINE = 1.75;

/** A PNG blob of what is on show; of two models beside each other both. */
export async function viewImage() {
  const sheets = [store, store.second].filter((one) => one?.picture).map(sheetOf);
  const canvas = sheets.length > 1 ? beside(sheets) : sheets[0];
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function beside(sheets) {
  const across = sheets.reduce((sum, { width }) => sum + width, 0);
  const canvas = make("canvas", { width: across, height: Math.max(...sheets.map(({ height }) => height)) });
  const context = canvas.getContext("2d");
  context.fillStyle = PAPER;
  context.fillRect(0, 0, canvas.width, canvas.height);
  sheets.reduce((left, sheet) => (context.drawImage(sheet, left, 0), left + sheet.width), 0);
  return canvas;
}

function sheetOf(from) {
  const [width, height] = from.picture.analysis.geometry.picture;
  const long = Math.max(width, height);
  const factor = Math.min(LONGEST, Math.max(SHORTEST, long)) / long;
  const photo = make("canvas", { width: Math.max(1, Math.round(width * factor)), height: Math.max(1, Math.round(height * factor)) });
  new Painter(from).paint(photo);
  const across = Math.max(photo.width, 760);
  const unit = Math.max(16, Math.round(across / 52));
  const rows = Math.max(from.view === "parts" ? 0 : from.shown.length, 3);
  const canvas = make("canvas", { width: across, height: photo.height + Math.round(unit * (LINE * (rows + 1) + 2.4)) });
  const context = canvas.getContext("2d");
  context.fillStyle = PAPER;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(photo, Math.round((across - photo.width) / 2), 0);
  caption(from, context, photo.height, unit, rows);
  return canvas;
}

function caption(from, context, top, unit, rows) {
  const { predictions, model, picture } = from.picture.analysis;
  const middle = Math.round(context.canvas.width / 2);
  const half = middle - 2.5 * unit;
  const row = (i) => top + unit * (LINE * i + 2.2);
  const write = (text, x, y, { colour = INK, weight = 400, width = half } = {}) => {
    context.font = `${weight} ${unit}px ${getComputedStyle(document.body).fontFamily}`;
    context.fillStyle = colour;
    context.fillText(text, x, y, width);
  };
  if (from.view === "parts") partsByKind(from.picture.analysis).forEach((found, i) => part(context, found, unit, row(i), write));
  else from.shown.forEach((one, i) => group(from, context, one, i, unit, row(i), write));
  predictions.slice(0, 3).forEach(({ label, score }, i) => {
    context.textAlign = "right";
    write(percent(score), middle + 4 * unit, row(i), { colour: i ? SOFT : INK });
    context.textAlign = "left";
    write(label, middle + 4.7 * unit, row(i), { colour: i ? SOFT : INK, weight: i ? 400 : 600, width: half - 4 * unit });
  });
  const said = from.picture.sample ? `Photo: ${from.picture.sample.credit}, ${from.picture.sample.licence}` : picture.name ?? "";
  write(said, 1.2 * unit, row(rows) + 0.3 * unit, { colour: SOFT });
  write(`SGE Lens, ${model.title}`, middle + 1.2 * unit, row(rows) + 0.3 * unit, { colour: SOFT });
}

/** Colour, name and scores of what was found. */
function part(context, found, unit, y, write) {
  const left = 1.2 * unit;
  context.beginPath();
  context.arc(left + 0.4 * unit, y - 0.36 * unit, 0.4 * unit, 0, 2 * Math.PI);
  context.fillStyle = colourOfKind(found.kind);
  context.fill();
  write(title(found), left + 1.3 * unit, y, { weight: 600, width: 6 * unit });
  const wide = context.measureText(title(found)).width;
  write(scores(found.parts), left + 1.9 * unit + Math.min(wide, 6 * unit), y, { colour: SOFT, width: 14 * unit });
}

/** Name, and between which values its colours lie. */
function group(from, context, one, i, unit, y, write) {
  const { shown, signal } = from;
  const atlas = from.atlas(one.block);
  const left = 1.2 * unit;
  write(groupName(one), left, y, { weight: 600, width: 8 * unit });
  if (atlas.isFlat(one.group)) return write(`flat, ${number(atlas.range(one.group)[0])} everywhere`, left + 9 * unit, y, { colour: SOFT, width: 14 * unit });
  const [low, high] = atlas.limits(one.group, from.state.scale, signal);
  const bar = make("canvas");
  paintBar(bar, shadesFor(from, colourOf(from, one)));
  // One group has the room for a bar of its own line.
  const [x, line, length] = shown.length === 1 ? [left + 3 * unit, y + LINE * unit, 14 * unit] : [left + 12 * unit, y, 8 * unit];
  context.imageSmoothingEnabled = true;
  context.drawImage(bar, x, line - 0.72 * unit, length, 0.8 * unit);
  context.textAlign = "right";
  write(number(low), x - 0.5 * unit, line, { colour: SOFT, width: 4 * unit });
  context.textAlign = "left";
  write(number(high), x + length + 0.5 * unit, line, { colour: SOFT, width: 4 * unit });
  if (i === 0 && shown.length === 1) write(`${signal}, ${from.state.scale} scale`, left, line + LINE * unit, { colour: SOFT });
}
