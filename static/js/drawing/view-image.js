// The view as one image for saving: the photo with its overlay, the legend and the classes.

import { make } from "../dom.js";
import { groupName, number, percent } from "../format.js";
import { partsByKind, scores, title } from "../state/parts.js";
import { store } from "../state/store.js";
import { colourOfKind } from "./colours.js";
import { paintColourBar } from "./overlay.js";
import { blendTableFor, colourOf, Painter } from "./painter.js";

// The longer side of the photo, in pixels.
const [MIN_SIDE, MAX_SIDE] = [1200, 1800];
const MIN_WIDTH = 760;
const [BACKGROUND, TEXT, SECONDARY] = ["#161616", "#f2f2f2", "#a8a8a8"];
// All sizes below the photo are multiples of the font size, called `unit`.
const LINE_HEIGHT = 1.75;

/** The current view as a PNG blob. During a comparison, both models are beside each other. */
export async function viewImage() {
  const views = [store, store.second].filter((each) => each?.image).map(drawView);
  const canvas = views.length > 1 ? sideBySide(views) : views[0];
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function sideBySide(views) {
  const width = views.reduce((sum, view) => sum + view.width, 0);
  const canvas = make("canvas", { width, height: Math.max(...views.map(({ height }) => height)) });
  const context = canvas.getContext("2d");
  context.fillStyle = BACKGROUND;
  context.fillRect(0, 0, canvas.width, canvas.height);
  views.reduce((left, view) => (context.drawImage(view, left, 0), left + view.width), 0);
  return canvas;
}

function drawView(from) {
  const [width, height] = from.image.analysis.geometry.image;
  const long = Math.max(width, height);
  const factor = Math.min(MAX_SIDE, Math.max(MIN_SIDE, long)) / long;
  const photo = make("canvas", { width: Math.max(1, Math.round(width * factor)), height: Math.max(1, Math.round(height * factor)) });
  new Painter(from).paint(photo);
  const outerWidth = Math.max(photo.width, MIN_WIDTH);
  const unit = Math.max(16, Math.round(outerWidth / 52));
  const rows = Math.max(from.view === "groups" ? from.shown.length : 0, 3);
  const canvas = make("canvas", { width: outerWidth, height: photo.height + Math.round(unit * (LINE_HEIGHT * (rows + 1) + 2.4)) });
  const context = canvas.getContext("2d");
  context.fillStyle = BACKGROUND;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(photo, Math.round((outerWidth - photo.width) / 2), 0);
  drawCaption(from, context, photo.height, unit, rows);
  return canvas;
}

/** Writes groups or parts on the left, classes on the right, and credit and model below. */
function drawCaption(from, context, top, unit, rows) {
  const { predictions, model, image } = from.image.analysis;
  const middle = Math.round(context.canvas.width / 2);
  const half = middle - 2.5 * unit;
  const row = (i) => top + unit * (LINE_HEIGHT * i + 2.2);
  const write = (text, x, y, { colour = TEXT, weight = 400, width = half } = {}) => {
    context.font = `${weight} ${unit}px ${getComputedStyle(document.body).fontFamily}`;
    context.fillStyle = colour;
    context.fillText(text, x, y, width);
  };
  if (from.view === "parts") partsByKind(from.image.analysis).forEach((found, i) => drawPart(context, found, unit, row(i), write));
  else if (from.view === "gradcam") write(`Grad-CAM of ${from.image.attribution.target.label}`, 1.2 * unit, row(0), { weight: 600 });
  else from.shown.forEach((group, i) => drawGroup(from, context, group, i, unit, row(i), write));
  predictions.slice(0, 3).forEach(({ label, score }, i) => {
    context.textAlign = "right";
    write(percent(score), middle + 4 * unit, row(i), { colour: i ? SECONDARY : TEXT });
    context.textAlign = "left";
    write(label, middle + 4.7 * unit, row(i), { colour: i ? SECONDARY : TEXT, weight: i ? 400 : 600, width: half - 4 * unit });
  });
  const { sample } = from.image;
  const credit = sample ? `Photo: ${sample.credit}, ${sample.licence}` : image.name ?? "";
  write(credit, 1.2 * unit, row(rows) + 0.3 * unit, { colour: SECONDARY });
  write(`SGE Lens, ${model.title}`, middle + 1.2 * unit, row(rows) + 0.3 * unit, { colour: SECONDARY });
}

/** Colour, title and scores of the parts of one kind. */
function drawPart(context, found, unit, y, write) {
  const left = 1.2 * unit;
  context.beginPath();
  context.arc(left + 0.4 * unit, y - 0.36 * unit, 0.4 * unit, 0, 2 * Math.PI);
  context.fillStyle = colourOfKind(found.kind);
  context.fill();
  write(title(found), left + 1.3 * unit, y, { weight: 600, width: 6 * unit });
  const titleWidth = context.measureText(title(found)).width;
  write(scores(found.parts), left + 1.9 * unit + Math.min(titleWidth, 6 * unit), y, { colour: SECONDARY, width: 14 * unit });
}

/** Name of a group, and its colour bar with the values at both ends. */
function drawGroup(from, context, group, i, unit, y, write) {
  const { shown, signal } = from;
  const atlas = from.atlas(group.block);
  const left = 1.2 * unit;
  write(groupName(group), left, y, { weight: 600, width: 11 * unit });
  if (atlas.isFlat(group.group)) return write(`flat, ${number(atlas.range(group.group)[0])} everywhere`, left + 12 * unit, y, { colour: SECONDARY, width: 11 * unit });
  const [low, high] = atlas.limits(group.group, from.state.scale, signal);
  const bar = make("canvas");
  paintColourBar(bar, blendTableFor(from, colourOf(from, group)));
  // For a single group the bar has a line of its own.
  const [x, baseline, length] = shown.length === 1 ? [left + 3 * unit, y + LINE_HEIGHT * unit, 14 * unit] : [left + 14.5 * unit, y, 6 * unit];
  context.imageSmoothingEnabled = true;
  context.drawImage(bar, x, baseline - 0.72 * unit, length, 0.8 * unit);
  context.textAlign = "right";
  write(number(low), x - 0.5 * unit, baseline, { colour: SECONDARY, width: 4 * unit });
  context.textAlign = "left";
  write(number(high), x + length + 0.5 * unit, baseline, { colour: SECONDARY, width: 4 * unit });
  if (i === 0 && shown.length === 1) write(`${signal}, ${from.state.scale} scale`, left, baseline + LINE_HEIGHT * unit, { colour: SECONDARY });
}
