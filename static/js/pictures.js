// The pictures of this visit: analysed one after another, kept in the browser's memory only.

import { analyze, analyzeSample, Refusal } from "./api.js";
import { decodeAtlas } from "./atlas.js";
import { store } from "./store.js";

const WAIT_SHOWN_MS = 300;
let serial = 0;
let line = Promise.resolve();

/** An analysis with its maps decoded and its picture loaded. */
export async function open(analysis, url, about) {
  const decoded = async (records) =>
    new Map(await Promise.all(Object.entries(records).map(async ([name, record]) => [name, await decodeAtlas(record)])));
  const [mask, similarity, image] = await Promise.all([decoded(analysis.masks), decoded(analysis.similarity), load(url)]);
  serial += 1;
  return { ...about, key: `p${serial}`, url, image, analysis, atlases: { mask, similarity } };
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

/** Runs work in turn, with progress once it takes long and its refusal as a message. */
function queued(label, work) {
  const turn = line.then(async () => {
    const slow = setTimeout(() => store.set({ busy: label }), WAIT_SHOWN_MS);
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Refusal)) console.error(error);
      const text = error instanceof Refusal ? error.message : "The picture could not be shown. Try another one.";
      store.set({ message: { kind: "error", text: `${label}: ${text}` } });
    } finally {
      clearTimeout(slow);
      store.set({ busy: null });
    }
  });
  line = turn;
  return turn;
}

function show(picture, at = store.state.pictures.length) {
  const pictures = [...store.state.pictures];
  pictures[at] = picture;
  store.set({ pictures, current: at, hover: null, point: null, message: null });
}

/** Files that were dropped, pasted or chosen. */
export function addFiles(files, maxBytes) {
  for (const file of files) {
    const name = file.name || "pasted picture.png";
    if (file.size > maxBytes) {
      const limit = Math.round(maxBytes / 1048576);
      store.set({ message: { kind: "error", text: `${name} is larger than ${limit} MiB. Choose a smaller picture.` } });
      continue;
    }
    queued(name, async () => {
      const analysis = await analyze(file, name, choice());
      show(await open(analysis, URL.createObjectURL(file), { name, blob: file }));
    });
  }
}

/** One of the shipped photos. */
export function addSample(sample) {
  const at = store.state.pictures.findIndex((picture) => picture.sample?.id === sample.id);
  if (at >= 0) return store.set({ current: at, hover: null, point: null });
  return queued(sample.title, async () => {
    const { framing, model } = choice();
    const url = `static/samples/${sample.file}`;
    const picture = { name: sample.file, sample };
    const analysis = framing === "whole" ? await analyzeSample(sample.id, { model }) : await analyze(await blobOf({ url }), sample.file, choice());
    show(await open(analysis, url, picture));
  });
}

/** The picture's file; a sample's is fetched when it is first needed. */
export async function blobOf(picture) {
  picture.blob ??= await (await fetch(picture.url)).blob();
  return picture.blob;
}

/** Looks at the picture on show again, after framing or model have changed. */
export function again() {
  const { picture } = store;
  if (!picture) return;
  const { framing, model } = choice();
  const { analysis } = picture;
  if (analysis.geometry.framing === framing && (!model || analysis.model.name === model)) return;
  queued(picture.name, async () => {
    const at = store.state.pictures.indexOf(picture);
    const fresh = await analyze(await blobOf(picture), picture.name, { framing, model });
    const { name, sample, blob } = picture;
    show(await open(fresh, picture.url, { name, sample, blob }), at);
  });
}
