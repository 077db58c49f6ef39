// The view as one image for saving: the photo with its overlay, the legend and the classes.

import { make } from "../dom.js";
import { ends, groupName, number, percent, pointsOf } from "../format.js";
import { boxesOf, hasClasses, nothingInWords } from "../state/boxes.js";
import { differenceOf } from "../state/difference.js";
import { store } from "../state/store.js";
import { describeOff, isAnythingOff } from "../state/switched-off.js";
import { paintColourBar } from "./overlay.js";
import { blendTableFor, colourOf, DIVERGING, gradCamLimits, Painter } from "./painter.js";
import { drawParts, partRows } from "./part-caption.js";

// The longer side of the photo, in pixels.
const [MIN_SIDE, MAX_SIDE] = [1200, 1800];
const MIN_WIDTH = 760;
const [BACKGROUND, TEXT, SECONDARY] = ["#161616", "#f2f2f2", "#a8a8a8"];
// All sizes below the photo are multiples of the font size, called `unit`.
const LINE_HEIGHT = 1.75;
const MAX_CLASSES = 4;

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
  const shown = { groups: () => from.shown.length, parts: () => partRows(from.image.analysis) }[viewOf(from)]?.() ?? 0;
  const rows = Math.max(shown, classesOf(from).length) + (isAnythingOff(from) ? 1 : 0);
  const canvas = make("canvas", { width: outerWidth, height: photo.height + Math.round(unit * (LINE_HEIGHT * (rows + 1) + 2.4)) });
  const context = canvas.getContext("2d");
  context.fillStyle = BACKGROUND;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(photo, Math.round((outerWidth - photo.width) / 2), 0);
  drawCaption(from, context, photo.height, unit, rows);
  return canvas;
}

const viewOf = (from) => (differenceOf(from) ? "difference" : from.view);

/** The three best classes, or of a detector the best boxes; while something is off, the best before and after and the chosen ones, with their change. */
function classesOf(from) {
  const { predictions } = from.image.analysis;
  const { ablation } = from.state;
  const result = isAnythingOff(from) && ablation.image === from.image.version ? ablation.result : null;
  if (!hasClasses(from.image.analysis)) return boxesOf(from.image.analysis).slice(0, MAX_CLASSES).map(({ label, score }) => ({ label, score, change: null }));
  if (!result) return predictions.slice(0, 3).map(({ label, score }) => ({ label, score, change: null }));
  const indices = [predictions[0].index, from.target, from.expected, ...result.predictions_after.map(({ index }) => index)];
  return [...new Set(indices.filter((index) => index !== null))]
    .map((index) => result.classes.find((each) => each.index === index))
    .filter(Boolean)
    .slice(0, MAX_CLASSES)
    .sort((one, other) => other.after - one.after)
    .map(({ label, before, after }) => ({ label, score: after, change: after - before }));
}

/** Writes what is shown on the left, classes on the right; below what is off, credit and model. */
function drawCaption(from, context, top, unit, rows) {
  const { model, image } = from.image.analysis;
  const middle = Math.round(context.canvas.width / 2);
  const half = middle - 2.5 * unit;
  const row = (i) => top + unit * (LINE_HEIGHT * i + 2.2);
  const write = (text, x, y, { colour = TEXT, weight = 400, width = half } = {}) => {
    context.font = `${weight} ${unit}px ${getComputedStyle(document.body).fontFamily}`;
    context.fillStyle = colour;
    context.fillText(text, x, y, width);
  };
  drawShown(from, context, unit, row, write);
  const classes = classesOf(from);
  if (classes.length === 0) write(nothingInWords(from.image.analysis), middle + 1.2 * unit, row(0), { colour: SECONDARY });
  classes.forEach((each, i) => drawClass(context, each, i, unit, row(i), middle, write));
  if (isAnythingOff(from)) {
    const { head, list } = describeOff(from);
    write(`${head}: ${list}`, 1.2 * unit, row(rows - 1) + 0.15 * unit, { width: context.canvas.width - 2.4 * unit });
  }
  const { sample } = from.image;
  const credit = sample ? `Photo: ${sample.credit}, ${sample.licence}` : image.name ?? "";
  write(credit, 1.2 * unit, row(rows) + 0.3 * unit, { colour: SECONDARY });
  write(`SGE Lens, ${model.title}`, middle + 1.2 * unit, row(rows) + 0.3 * unit, { colour: SECONDARY });
}

/** Probability and label of a class, and its change while something is off. */
function drawClass(context, { label, score, change }, i, unit, y, middle, write) {
  const colour = i ? SECONDARY : TEXT;
  context.textAlign = "right";
  write(percent(score), middle + 4 * unit, y, { colour });
  context.textAlign = "left";
  const room = middle - 7.2 * unit - (change === null ? 0 : 5 * unit);
  write(label, middle + 4.7 * unit, y, { colour, weight: i ? 400 : 600, width: room });
  if (change === null) return;
  const width = Math.min(room, context.measureText(label).width);
  write(pointsOf(change), middle + 5.4 * unit + width, y, { colour: SECONDARY, width: 5 * unit });
}

/** Names and colours of the parts, of Grad-CAM, of the difference between two models, or of the shown groups. */
function drawShown(from, context, unit, row, write) {
  const left = 1.2 * unit;
  const difference = differenceOf(from);
  const view = viewOf(from);
  if (view === "parts") return drawParts(context, from.image.analysis, unit, row, write, SECONDARY);
  if (view === "groups") return from.shown.forEach((group, i) => drawGroup(from, context, group, i, unit, row(i), write));
  const bar = (colour, low, high) => drawBar(context, blendTableFor(from, colour), [low, high], [left + 3 * unit, row(1), 14 * unit], unit, write);
  if (difference) {
    write(`${groupName(difference.group)}, ${from.signal}, second minus first`, left, row(0), { weight: 600 });
    return bar(DIVERGING, -difference.limit, difference.limit);
  }
  write(`Grad-CAM of ${from.image.attribution.target.label}`, left, row(0), { weight: 600 });
  return bar(null, ...gradCamLimits(from.image.gradCam));
}

/** A colour bar with the values at both ends. */
function drawBar(context, table, [low, high], [x, baseline, length], unit, write) {
  const bar = make("canvas");
  const [from, to] = ends(low, high);
  paintColourBar(bar, table);
  context.imageSmoothingEnabled = true;
  context.drawImage(bar, x, baseline - 0.72 * unit, length, 0.8 * unit);
  context.textAlign = "right";
  write(from, x - 0.5 * unit, baseline, { colour: SECONDARY, width: 4 * unit });
  context.textAlign = "left";
  write(to, x + length + 0.5 * unit, baseline, { colour: SECONDARY, width: 4 * unit });
}

/** Name of a group, and its colour bar with the values at both ends. */
function drawGroup(from, context, group, i, unit, y, write) {
  const { shown, signal } = from;
  const atlas = from.atlas(group.block);
  const left = 1.2 * unit;
  write(groupName(group), left, y, { weight: 600, width: 11 * unit });
  if (atlas.isFlat(group.group)) return write(`flat, ${number(atlas.range(group.group)[0])} everywhere`, left + 12 * unit, y, { colour: SECONDARY, width: 11 * unit });
  // For a single group the bar has a line of its own.
  const box = shown.length === 1 ? [left + 3 * unit, y + LINE_HEIGHT * unit, 14 * unit] : [left + 14.5 * unit, y, 6 * unit];
  drawBar(context, blendTableFor(from, colourOf(from, group)), atlas.limits(group.group, from.state.scale, signal), box, unit, write);
  if (i === 0 && shown.length === 1) write(`${signal}, ${from.state.scale} scale`, left, box[1] + LINE_HEIGHT * unit, { colour: SECONDARY });
}
