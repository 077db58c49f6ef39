// The pictures of this visit: analysed one after another, kept in the browser's memory only.

import { analyze, analyzeSample, Refusal } from "./api.js";
import { decodeAtlas } from "./atlas.js";
import { store } from "./store.js";

const WAIT_SHOWN_MS = 300;
const jobs = [];
let working = false;
let serial = 0;

/** An analysis with its maps decoded and its picture loaded. */
export async function open(analysis, url) {
  const decoded = async (records) =>
    new Map(await Promise.all(Object.entries(records).map(async ([name, record]) => [name, await decodeAtlas(record)])));
  const [mask, similarity, parts, image] = await Promise.all([
    decoded(analysis.masks),
    decoded(analysis.similarity),
    decoded(analysis.part_maps ?? {}),
    load(url),
  ]);
  serial += 1;
  return { url, image, analysis, atlases: { mask, similarity, parts }, version: serial, status: "ready" };
}

/** The browser's own picture; null where it cannot draw a format that the service can read. */
function load(url) {
  return new Promise((done) => {
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = () => done(null);
    image.src = url;
  });
}

const choice = () => ({ framing: store.state.framing, model: store.state.model });

/** Whether framing or model have changed since the picture was analysed. */
function isStale({ analysis }) {
  const { framing, model } = choice();
  return analysis.geometry.framing !== framing || (model !== null && analysis.model.name !== model);
}

function change(key, patch) {
  store.set({ pictures: store.state.pictures.map((one) => (one.key === key ? { ...one, ...patch } : one)) });
}

function fail(text) {
  store.set({ errors: [...store.state.errors, text] });
}

/** The shipped photos: the strip begins with them, and they are analysed when they are first wanted. */
export function listSamples(samples) {
  const entries = samples.map((sample) => ({
    key: sample.id,
    name: sample.file,
    url: `static/samples/${sample.file}`,
    thumb: `static/samples/${sample.thumb}`,
    sample,
    status: "new",
  }));
  store.set({ pictures: entries });
}

/** Files that were dropped, pasted or chosen; the first of them is shown as soon as it is ready. */
export function addFiles(files, maxBytes) {
  store.set({ errors: [], note: null });
  const fresh = [];
  for (const file of files) {
    const name = file.name || "pasted picture.png";
    if (file.size > maxBytes) {
      fail(`${name} is larger than ${Math.round(maxBytes / 1048576)} MiB. Choose a smaller picture.`);
      continue;
    }
    serial += 1;
    const url = URL.createObjectURL(file);
    fresh.push({ key: `file${serial}`, name, url, thumb: url, blob: file, status: "waiting" });
  }
  if (fresh.length === 0) return;
  store.set({ pictures: [...store.state.pictures, ...fresh], wanted: fresh[0].key });
  fresh.forEach(({ key }) => queue(key));
}

/** Brings a picture of the strip up, at once or as soon as it is analysed. */
export function want(key) {
  const entry = store.entry(key);
  store.set({ wanted: key });
  if (entry.analysis) bringUp(key);
  if (entry.status === "new" || (entry.status === "ready" && isStale(entry))) {
    change(key, { status: "waiting" });
    queue(key);
  }
}

/** The neighbour in the strip. */
export function step(by) {
  const { pictures, wanted } = store.state;
  const next = pictures[pictures.findIndex(({ key }) => key === wanted) + by];
  if (next) want(next.key);
}

function bringUp(key) {
  if (key !== store.state.current) store.set({ current: key, hover: null, point: null, reading: null });
}

function queue(key) {
  jobs.push(key);
  if (!working) work();
}

/** One picture after another, the wanted one first; progress once it takes long. */
async function work() {
  working = true;
  while (jobs.length > 0) {
    const [key] = jobs.splice(Math.max(0, jobs.indexOf(store.state.wanted)), 1);
    const { name, sample } = store.entry(key);
    const rest = () => (jobs.length > 0 ? `, ${jobs.length} more to come` : "");
    const slow = setTimeout(() => store.set({ busy: `Looking at ${sample?.title ?? name}${rest()} \u2026` }), WAIT_SHOWN_MS);
    try {
      await look(key);
    } catch (error) {
      if (!(error instanceof Refusal)) console.error(error);
      giveUp(key, `${sample?.title ?? name}: ${error instanceof Refusal ? error.message : "it could not be shown. Try another picture."}`);
    } finally {
      clearTimeout(slow);
      store.set({ busy: null });
    }
  }
  working = false;
}

async function look(key) {
  const entry = store.entry(key);
  const asked = choice();
  const busy = (text) => store.set({ busy: text });
  const analysis =
    entry.sample && asked.framing === "whole"
      ? await analyzeSample(entry.sample.id, asked, busy)
      : await analyze(await blobOf(entry), entry.name, asked, busy);
  change(key, await open(analysis, entry.url));
  if (store.state.wanted !== key) return;
  if (key === store.state.current) store.set({ point: null, reading: null, hover: null });
  else bringUp(key);
  if (isStale(store.entry(key))) want(key);
}

/** The last good picture stays; a picture that never was one leaves the strip. */
function giveUp(key, text) {
  fail(text);
  const entry = store.entry(key);
  if (entry.analysis) {
    change(key, { status: "ready" });
    if (key === store.state.current) store.set({ framing: entry.analysis.geometry.framing, model: store.state.model && entry.analysis.model.name });
  } else if (entry.sample) change(key, { status: "new" });
  else {
    store.set({ pictures: store.state.pictures.filter((one) => one !== entry) });
    URL.revokeObjectURL(entry.url);
  }
  if (store.state.wanted === key) store.set({ wanted: jobs[0] ?? store.state.current });
}

/** The picture's file; a sample's is fetched when it is first needed. */
export async function blobOf({ blob, url }) {
  return blob ?? (await fetch(url)).blob();
}
