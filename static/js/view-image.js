// The view as one picture to keep or send: photo with its groups, legend and classes.

import { PIN_COLOURS, colourTable } from "./colours.js";
import { groupName, number } from "./dom.js";
import { paint } from "./sge-picture.js";
import { store } from "./store.js";

const [SHORTEST, LONGEST] = [1200, 1600];

/** A PNG blob of what is on show. */
export async function viewImage() {
  const { analysis } = store.picture;
  const [width, height] = analysis.geometry.picture;
  const long = Math.max(width, height);
  const factor = Math.min(LONGEST, Math.max(SHORTEST, long)) / long;
  const [w, h] = [Math.round(width * factor), Math.round(height * factor)];
  const photo = new OffscreenCanvas(w, h);
  paint(photo.getContext("2d"), w, h);
  const unit = Math.max(15, Math.round(Math.max(w, 640) / 46));
  const lines = legendLines();
  const rows = Math.max(lines.length, 3);
  const canvas = new OffscreenCanvas(Math.max(w, 640), h + Math.round(unit * (1.6 * rows + 2)));
  const context = canvas.getContext("2d");
  context.fillStyle = "#111214";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(photo, Math.round((canvas.width - w) / 2), 0);
  caption(context, lines, h, unit);
  return canvas.convertToBlob({ type: "image/png" });
}

function legendLines() {
  return store.shown.map((one, i) => {
    const atlas = store.atlas(one.block);
    const [low, high] = atlas.limits(one.group, store.state.scale, store.signal);
    return { colour: store.shown.length > 1 ? PIN_COLOURS[i] : null, text: `${groupName(one)}   ${store.signal} ${number(low)} to ${number(high)}` };
  });
}

function caption(context, lines, top, unit) {
  const { predictions, model } = store.picture.analysis;
  const middle = context.canvas.width / 2;
  const row = (i) => top + unit * (1.6 * i + 1.9);
  context.textBaseline = "alphabetic";
  lines.forEach(({ colour, text }, i) => {
    context.fillStyle = colour ?? "#f4f3ef";
    if (colour) context.fillRect(unit, row(i) - unit * 0.72, unit * 0.8, unit * 0.8);
    context.fillStyle = "#f4f3ef";
    context.font = `${unit}px system-ui, sans-serif`;
    context.fillText(text, colour ? unit * 2.3 : unit, row(i), middle - unit * 2.4);
  });
  if (lines.length === 1) bar(context, unit, row(1) - unit * 0.7, middle - 2 * unit, unit * 0.7);
  predictions.slice(0, 2).forEach(({ label, score }, i) => {
    context.fillStyle = i === 0 ? "#f4f3ef" : "#a9acb3";
    context.fillText(`${(100 * score).toFixed(score < 0.1 ? 1 : 0)} %  ${label}`, middle + unit, row(i), middle - 2 * unit);
  });
  context.fillStyle = "#a9acb3";
  context.font = `${Math.round(unit * 0.8)}px system-ui, sans-serif`;
  context.fillText(`SGE Lens \u00b7 ${model.title}`, middle + unit, row(2), middle - 2 * unit);
}

function bar(context, x, y, width, height) {
  const table = colourTable(store.state.colormap);
  for (let i = 0; i < 256; i += 1) {
    context.fillStyle = `rgb(${table[3 * i]} ${table[3 * i + 1]} ${table[3 * i + 2]})`;
    context.fillRect(x + (width * i) / 256, y, width / 256 + 1, height);
  }
}
