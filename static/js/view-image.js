// The view as one picture to keep or send: photo with its groups, legend and classes.

import { groupName, make, number, percent } from "./dom.js";
import { paintBar } from "./glow.js";
import { colourOf, Painter, shadesFor } from "./paint.js";
import { store } from "./store.js";

const [SHORTEST, LONGEST] = [1200, 1800];
const [PAPER, INK, SOFT] = ["#161616", "#f2f2f2", "#a8a8a8"];
const LINE = 1.75;

/** A PNG blob of what is on show. */
export async function viewImage() {
  const [width, height] = store.picture.analysis.geometry.picture;
  const long = Math.max(width, height);
  const factor = Math.min(LONGEST, Math.max(SHORTEST, long)) / long;
  const photo = make("canvas", { width: Math.max(1, Math.round(width * factor)), height: Math.max(1, Math.round(height * factor)) });
  new Painter().paint(photo);
  const across = Math.max(photo.width, 760);
  const unit = Math.max(16, Math.round(across / 52));
  const rows = Math.max(store.shown.length, 3);
  const canvas = make("canvas", { width: across, height: photo.height + Math.round(unit * (LINE * (rows + 1) + 2.4)) });
  const context = canvas.getContext("2d");
  context.fillStyle = PAPER;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(photo, Math.round((across - photo.width) / 2), 0);
  caption(context, photo.height, unit, rows);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function caption(context, top, unit, rows) {
  const { predictions, model, picture } = store.picture.analysis;
  const middle = Math.round(context.canvas.width / 2);
  const half = middle - 2.5 * unit;
  const row = (i) => top + unit * (LINE * i + 2.2);
  const write = (text, x, y, { colour = INK, weight = 400, width = half } = {}) => {
    context.font = `${weight} ${unit}px ${getComputedStyle(document.body).fontFamily}`;
    context.fillStyle = colour;
    context.fillText(text, x, y, width);
  };
  store.shown.forEach((one, i) => group(context, one, i, unit, row(i), write));
  predictions.slice(0, 3).forEach(({ label, score }, i) => {
    context.textAlign = "right";
    write(percent(score), middle + 4 * unit, row(i), { colour: i ? SOFT : INK });
    context.textAlign = "left";
    write(label, middle + 4.7 * unit, row(i), { colour: i ? SOFT : INK, weight: i ? 400 : 600, width: half - 4 * unit });
  });
  const said = store.picture.sample ? `Photo: ${store.picture.sample.credit}, ${store.picture.sample.licence}` : picture.name ?? "";
  write(said, 1.2 * unit, row(rows) + 0.3 * unit, { colour: SOFT });
  write(`SGE Lens, ${model.title}`, middle + 1.2 * unit, row(rows) + 0.3 * unit, { colour: SOFT });
}

/** Name, and between which values its colours lie. */
function group(context, one, i, unit, y, write) {
  const { shown } = store;
  const atlas = store.atlas(one.block);
  const left = 1.2 * unit;
  const colour = colourOf(one, shown);
  write(groupName(one), left, y, { weight: 600, width: 8 * unit });
  if (atlas.isFlat(one.group)) return write(`flat, ${number(atlas.range(one.group)[0])} everywhere`, left + 9 * unit, y, { colour: SOFT, width: 14 * unit });
  const [low, high] = atlas.limits(one.group, store.state.scale, store.signal);
  const bar = make("canvas");
  paintBar(bar, shadesFor(colour));
  // One group has the room for a bar of its own line.
  const [x, line, length] = shown.length === 1 ? [left + 3 * unit, y + LINE * unit, 14 * unit] : [left + 12 * unit, y, 8 * unit];
  context.imageSmoothingEnabled = true;
  context.drawImage(bar, x, line - 0.72 * unit, length, 0.8 * unit);
  context.textAlign = "right";
  write(number(low), x - 0.5 * unit, line, { colour: SOFT, width: 4 * unit });
  context.textAlign = "left";
  write(number(high), x + length + 0.5 * unit, line, { colour: SOFT, width: 4 * unit });
  if (i === 0 && shown.length === 1) write(`${store.signal}, ${store.state.scale} scale`, left, line + LINE * unit, { colour: SOFT });
}
