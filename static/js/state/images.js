// The images of this visit: analysed one after another, and kept only in the browser's memory.

import { analyze, analyzeSample, RequestError } from "../api.js";
import { decodeAtlas } from "./atlas.js";
import { store } from "./store.js";
import { NO_ZOOM } from "./zoom.js";

const PROGRESS_DELAY_MS = 300;
const MIB = 1048576;
const queue = [];
let isRunning = false;
let serial = 0;

/** An analysis with its maps decoded and its image element loaded. */
export async function open(analysis, url) {
  const decoded = async (records) =>
    new Map(await Promise.all(Object.entries(records).map(async ([name, record]) => [name, await decodeAtlas(record)])));
  const [mask, similarity, parts, element] = await Promise.all([
    decoded(analysis.masks),
    decoded(analysis.similarity),
    decoded(analysis.part_maps ?? {}),
    load(url),
  ]);
  serial += 1;
  return { url, element, analysis, atlases: { mask, similarity, parts }, version: serial, status: "ready" };
}

/** An image element, or null where the browser cannot draw a format that the service can read. */
function load(url) {
  return new Promise((done) => {
    const element = new Image();
    element.onload = () => done(element);
    element.onerror = () => done(null);
    element.src = url;
  });
}

const options = () => ({ framing: store.state.framing, model: store.state.model });

/** Whether framing or model have changed since the image was analysed. */
function isStale({ analysis }) {
  const { framing, model } = options();
  return analysis.geometry.framing !== framing || (model !== null && analysis.model.name !== model);
}

function change(key, patch) {
  store.set({ images: store.state.images.map((entry) => (entry.key === key ? { ...entry, ...patch } : entry)) });
}

function addError(text) {
  store.set({ errors: [...store.state.errors, text] });
}

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
  const added = [];
  for (const file of files) {
    const name = file.name || "pasted image.png";
    if (file.size > maxBytes) {
      addError(`${name} is larger than ${Math.round(maxBytes / MIB)} MiB. Choose a smaller image.`);
      continue;
    }
    serial += 1;
    const url = URL.createObjectURL(file);
    added.push({ key: `file${serial}`, name, url, thumb: url, file, status: "waiting" });
  }
  if (added.length === 0) return;
  store.set({ images: [...store.state.images, ...added], requested: added[0].key });
  added.forEach(({ key }) => enqueue(key));
}

/** Shows an image of the filmstrip, at once or as soon as it is analysed. */
export function show(key) {
  const entry = store.entry(key);
  store.set({ requested: key });
  if (entry.analysis) setCurrent(key);
  if (entry.status === "new" || (entry.status === "ready" && isStale(entry))) {
    change(key, { status: "waiting" });
    enqueue(key);
  }
}

/** Shows the neighbour in the filmstrip: 1 for the next image, -1 for the previous one. */
export function step(by) {
  const { images, requested } = store.state;
  const next = images[images.findIndex(({ key }) => key === requested) + by];
  if (next) show(next.key);
}

function setCurrent(key) {
  if (key !== store.state.current) store.set({ current: key, hover: null, point: null, pointer: null, zoom: NO_ZOOM });
}

function enqueue(key) {
  queue.push(key);
  if (!isRunning) run();
}

/** Analyses queued images one after another, the requested one first. Progress is shown after a short delay. */
async function run() {
  isRunning = true;
  while (queue.length > 0) {
    const [key] = queue.splice(Math.max(0, queue.indexOf(store.state.requested)), 1);
    const { name, sample } = store.entry(key);
    const rest = () => (queue.length > 0 ? `, ${queue.length} more to come` : "");
    const timer = setTimeout(() => store.set({ busy: `Analysing ${sample?.title ?? name}${rest()} \u2026` }), PROGRESS_DELAY_MS);
    try {
      await analyzeEntry(key);
    } catch (error) {
      if (!(error instanceof RequestError)) console.error(error);
      handleFailure(key, `${sample?.title ?? name}: ${error instanceof RequestError ? error.message : "it could not be shown. Try another image."}`);
    } finally {
      clearTimeout(timer);
      store.set({ busy: null });
    }
  }
  isRunning = false;
}

async function analyzeEntry(key) {
  const entry = store.entry(key);
  const chosen = options();
  const showProgress = (text) => store.set({ busy: text });
  const analysis =
    entry.sample && chosen.framing === "whole"
      ? await analyzeSample(entry.sample.id, chosen, showProgress)
      : await analyze(await fileOf(entry), entry.name, chosen, showProgress);
  change(key, await open(analysis, entry.url));
  if (store.state.requested !== key) return;
  if (key === store.state.current) store.set({ point: null, pointer: null, hover: null });
  else setCurrent(key);
  if (isStale(store.entry(key))) show(key);
}

/** The current image stays. A file that was never analysed is removed from the filmstrip. */
function handleFailure(key, text) {
  addError(text);
  const entry = store.entry(key);
  if (entry.analysis) {
    change(key, { status: "ready" });
    if (key === store.state.current) store.set({ framing: entry.analysis.geometry.framing, model: store.state.model && entry.analysis.model.name });
  } else if (entry.sample) change(key, { status: "new" });
  else {
    store.set({ images: store.state.images.filter((other) => other !== entry) });
    URL.revokeObjectURL(entry.url);
  }
  if (store.state.requested === key) store.set({ requested: queue[0] ?? store.state.current });
}

/** The file of an image. A sample's file is fetched when it is first needed. */
export async function fileOf({ file, url }) {
  return file ?? (await fetch(url)).blob();
}
