// The images of this visit: the entries of the filmstrip, and which of them is shown. They exist only in this tab.

import { sampleFile } from "../api.js";
import { Analyses, failureOf, isStale } from "./analyses.js";
import { reopen } from "./opening.js";
import { closeOld, noteShown } from "./recent.js";
import { store } from "./store.js";
import { drawThumbnail, forgetThumbnail } from "./thumbnails.js";
import { NO_ZOOM } from "./zoom.js";

const MIB = 1048576;
const analyses = new Analyses({ change, fileOf, onDecoded: replaceThumbnail, onReady: finish, onFailure: fail, onLost: stop });
let serial = 0;

/** Changes an entry; one that has been removed meanwhile is left alone. */
function change(key, patch) {
  store.set({ images: store.state.images.map((entry) => (entry.key === key ? { ...entry, ...patch } : entry)) });
}

const titleOf = ({ sample, name }) => sample?.title ?? name;

/** Starts the filmstrip with the shipped photos. A sample is analysed when it is first shown. */
export function listSamples(samples) {
  const entries = samples.map((sample) => ({
    key: sample.id,
    name: sample.file,
    url: `static/samples/${sample.file}`,
    thumb: `static/samples/${sample.thumb}`,
    sample,
    status: "new",
  }));
  store.set({ images: entries });
}

/** Adds files that were dropped, pasted or chosen. The first of them is shown as soon as it is ready. */
export function addFiles(files, maxBytes) {
  store.set({ errors: [], note: null });
  serial += 1;
  const batch = serial;
  const added = [];
  for (const file of files) {
    const name = file.name || "pasted image.png";
    if (file.size > maxBytes) {
      store.addError(`${name} is larger than ${Math.round(maxBytes / MIB)} MiB. Choose a smaller image.`);
      continue;
    }
    serial += 1;
    added.push({ key: `file${serial}`, name, url: null, thumb: null, file, batch, status: "waiting" });
  }
  if (added.length === 0) return;
  store.set({ images: [...store.state.images, ...added], requested: added[0].key });
  for (const { key, file } of added) {
    analyses.add(key);
    drawThumbnail(key, file, (thumb) => change(key, { thumb }));
  }
}

/** The thumbnail of a file is the browser's own reading until the service has decoded the file. */
function replaceThumbnail(key, decoded) {
  forgetThumbnail(key);
  drawThumbnail(key, decoded, (thumb) => {
    const before = store.entry(key)?.thumb;
    if (!thumb) return;
    change(key, { thumb });
    if (before) URL.revokeObjectURL(before);
  });
}

/** Shows an image of the filmstrip, at once or as soon as it is analysed. Of one that has failed, shows the error. */
export function show(key) {
  const entry = store.entry(key);
  if (!entry) return;
  if (entry.status === "failed") return showFailure(entry);
  forgetReplaced(key);
  store.set({ requested: key });
  analyses.follow();
  if (entry.analysis) setCurrent(key);
  if (entry.status === "new" || (entry.status === "ready" && isStale(entry.facts))) analyses.add(key);
  else if (entry.status === "ready" && !entry.analysis) openAgain(key);
}

/** What is requested stays so, unless it has failed or is gone: then the current image is the one that changed controls apply to. */
function showFailure(entry) {
  const requested = store.entry(store.state.requested);
  if (!requested || requested.status === "failed") store.set({ requested: store.state.current });
  reportFailure(entry);
}

/** A sample that was requested, waits, and is no longer requested, need not be analysed. */
function forgetReplaced(key) {
  const replaced = store.entry(store.state.requested);
  if (replaced?.sample && replaced.key !== key && analyses.forgetWaiting(replaced.key)) change(replaced.key, { status: replaced.facts ? "ready" : "new" });
}

/** Shows the neighbour in the filmstrip: 1 for the next image, -1 for the previous one. Failed images are passed over. */
export function step(by) {
  const { images, requested } = store.state;
  const index = images.findIndex(({ key }) => key === requested);
  const next = (by > 0 ? images.slice(index + 1) : images.slice(0, Math.max(0, index)).reverse()).find(({ status }) => status !== "failed");
  if (next) show(next.key);
}

function setCurrent(key) {
  noteShown(key);
  if (key !== store.state.current) store.set({ current: key, hover: null, point: null, pointer: null, markedFace: null, zoom: NO_ZOOM });
  const images = closeOld(store.state);
  if (images) store.set({ images });
}

/** Opens an image whose analysis was closed. */
async function openAgain(key) {
  try {
    const opened = await reopen(store.entry(key));
    if (store.entry(key)?.status !== "ready" || store.state.requested !== key) return;
    change(key, opened);
    setCurrent(key);
  } catch (error) {
    if (store.entry(key)) fail(key, failureOf(error));
  }
}

/** Shows an image whose analysis has just been opened, if it is the requested one. */
function finish(key) {
  store.settleErrors([key]);
  if (store.state.requested !== key) return;
  if (key === store.state.current) store.set({ point: null, pointer: null, hover: null, markedFace: null });
  else setCurrent(key);
  if (isStale(store.entry(key).facts)) show(key);
}

/** The current image and the entry stay. After a failed request for another model, framing or part finder, the earlier one returns. */
function fail(key, { text, canRetry }) {
  const entry = store.entry(key);
  if (entry.analysis) {
    const { framing, model, partsBy } = store.state;
    store.addError({ text: `${titleOf(entry)}: ${text}`, retry: canRetry ? () => (store.set({ framing, model, partsBy }), show(key)) : null });
    change(key, { status: "ready" });
    if (key === store.state.current) restoreOptions(entry);
  } else {
    change(key, { status: "failed", error: text, canRetry });
    reportFailure(store.entry(key));
  }
  if (store.state.requested !== key) return;
  const { images } = store.state;
  const next = images.slice(images.findIndex((other) => other.key === key)).find((other) => other.batch && other.batch === entry.batch && other.key !== key && ["waiting", "ready"].includes(other.status));
  if (next) show(next.key);
  else store.set({ requested: store.state.current });
}

/** Returns to the framing, part finder and model that an image was analysed with. */
function restoreOptions({ facts }) {
  store.set({ framing: facts.framing, partsBy: facts.partsBy, model: store.state.model && facts.model });
}

function reportFailure({ key, error }) {
  store.addError({ text: error, keys: [key] });
}

/**
 * Ends all analyses. What was not analysed stays in the filmstrip, and `retry` or `show` takes it up again. Where the current
 * image was being analysed anew, the controls return to what is shown.
 */
export function stop() {
  for (const key of analyses.clear()) change(key, { status: store.entry(key).facts ? "ready" : "new" });
  store.set({ requested: store.state.current });
  const { image } = store;
  if (image && isStale(image.facts)) restoreOptions(image);
}

/** The visitor's images that are not analysed: those that were stopped, and those that failed and may succeed later. */
export function unfinished() {
  return store.state.images.filter(({ file, status, canRetry }) => (status === "failed" && canRetry) || (file && status === "new"));
}

/** Analyses images again that failed or were stopped. If it is a single one, it is shown. */
export function retry(keys) {
  store.settleErrors(keys);
  if (keys.length === 1 || !store.state.current) store.set({ requested: keys[0] });
  keys.forEach((key) => analyses.add(key));
}

/** Removes images of the visitor from this tab. If the current one is among them, the nearest other image is shown. */
export function remove(keys) {
  const { images, current, requested } = store.state;
  const gone = images.filter(({ key, sample }) => keys.includes(key) && !sample);
  const rest = images.filter((entry) => !gone.includes(entry));
  for (const { key, url, thumb } of gone) {
    analyses.forget(key);
    forgetThumbnail(key);
    [url, thumb].forEach((each) => each && URL.revokeObjectURL(each));
  }
  const isGone = (key) => gone.some((entry) => entry.key === key);
  store.settleErrors(gone.map(({ key }) => key));
  store.set({ images: rest, current: isGone(current) ? null : current });
  if (isGone(current) || isGone(requested)) show(isGone(current) ? nearest(images, rest, current) : current);
}

/** The nearest entry of `rest` that is analysed, else the nearest that has not failed. */
function nearest(images, rest, from) {
  const index = images.findIndex(({ key }) => key === from);
  const distance = (entry) => Math.abs(images.indexOf(entry) - index - 0.1);
  const sorted = [...rest].sort((a, b) => distance(a) - distance(b));
  return (sorted.find(({ status }) => status === "ready") ?? sorted.find(({ status }) => status !== "failed") ?? sorted[0]).key;
}

/** The file of an image. A sample's file is fetched when it is first needed. */
export async function fileOf({ file, url }) {
  return file ?? sampleFile(url);
}
