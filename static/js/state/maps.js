// Loads the maps of the image that is shown. The first answer has those of the opening block; a block that the view needs is
// loaded at once, and all others when the page has nothing else to do.

import { analyzeBlocks, analyzeSample, isAbort, RequestError } from "../api.js";
import { shortBlockName } from "../format.js";
import { fileOf } from "./images.js";
import { extension } from "./opening.js";
import { store } from "./store.js";

/** The name of the opening block in a request. */
export const OPENING = "default";
// The maps of all other blocks are asked for when nothing has changed for so long.
const IDLE_MS = 250;
const MAX_BLOCKS_TEXT = 2000;
const MAX_TWICE = 3;
const KEYS = ["images", "current", "block", "pins", "hover", "point", "sort", "requested"];
// The blocks of each model whose analysis was seen, by the model's name in a request (null: the default model).
const known = new Map();
const followed = new Map();

/** Remembers which blocks a model has, so that the next first request can name those that the view needs. */
export const noteBlocks = (model, { blocks }) => known.set(model, new Set(blocks.map(({ name }) => name)));

/** The blocks, as text for a request, whose maps the first answer about an image must have. */
export function firstBlocks(view, model) {
  const names = known.get(model);
  if (!names) return OPENING;
  // A point belongs to the image that is shown before.
  return textOf([OPENING, ...neededBlocks(view, [...names], null)]);
}

/** Names separated by commas; where that would be too long, the empty text, which stands for all blocks. */
function textOf(names) {
  const text = names.join(",");
  return text.length <= MAX_BLOCKS_TEXT ? text : "";
}

/** The names of the blocks whose maps the view of a store needs, out of all. */
function neededBlocks(view, all, point = view.state.point) {
  const { block, pins, hover, sort } = view.state;
  // The groups at a point, and those of the parts, come from all blocks.
  if (point || sort === "parts") return new Set(all);
  const other = view.second ?? view.first;
  return new Set([block, ...pins.map((pin) => pin.block), hover?.block, other?.block].filter((name) => all.includes(name)));
}

/**
 * Loads the maps that a store's view needs. Returns a function that stops it.
 *
 * @param ahead whether all others follow when the page is idle; by default unless the visitor saves data
 */
export function followMaps(view, { ahead = !navigator.connection?.saveData } = {}) {
  const maps = new Maps(view, ahead);
  followed.set(view, maps);
  return () => {
    maps.stop();
    followed.delete(view);
    announce();
  };
}

/** Resolves to whether the maps of a block of the current image are there; loads them first if they are not. */
export const needMaps = async (view, block) => view.hasMaps(block) || (followed.get(view)?.need(block) ?? false);

/** Whether a store loads maps; a report has only those that it holds. */
export const canLoadMaps = (view) => followed.has(view);

/** Whether a store loads maps before its view needs them. */
export const loadsAhead = (view) => followed.get(view)?.ahead ?? false;

/** Whether the maps of all blocks are there. */
export const hasAllMaps = (view) => view.image.analysis.blocks.every(({ name }) => view.hasMaps(name));

/** Tells in `data-maps` on the root element whether everything is there that the page loads by itself: "ready" or "loading". */
function announce() {
  const isReady = followed.size > 0 && [...followed.values()].every((maps) => maps.isReady);
  const { dataset } = document.documentElement;
  const state = isReady ? "ready" : "loading";
  if (dataset.maps !== state) dataset.maps = state;
}

class Maps {
  constructor(view, ahead) {
    Object.assign(this, { view, ahead, version: null, loading: new Map(), failed: new Set(), skipped: new Set() });
    const listener = ({ detail }) => KEYS.some((key) => detail.has(key)) && this.update();
    view.addEventListener("change", listener);
    // Another image that is being analysed goes first.
    if (view !== store) store.addEventListener("change", listener);
    this.stop = () => {
      this.abort();
      view.removeEventListener("change", listener);
      store.removeEventListener("change", listener);
    };
    this.update();
  }

  /** Awaits the maps that still arrive in the answer about an image. */
  follow({ rest }) {
    if (!rest || rest.isTaken) return;
    const { signal } = this.load(this.missing, false, () => rest.take());
    signal.addEventListener("abort", () => rest.cancel());
  }

  /** The names of the blocks of the current image whose maps are not there. */
  get missing() {
    return this.view.image.analysis.blocks.map(({ name }) => name).filter((name) => !this.view.hasMaps(name));
  }

  get isReady() {
    const { image, state } = this.view;
    if (!image || state.requested !== state.current || image.status === "waiting") return false;
    return this.loading.size === 0 && (!this.ahead || this.missing.length === 0);
  }

  update() {
    const { image } = this.view;
    clearTimeout(this.timer);
    if (image && image.version !== this.version) {
      this.abort();
      this.version = image.version;
      this.follow(image);
    }
    if (image) this.loadNeeded();
    announce();
  }

  loadNeeded() {
    const missing = this.missing.filter((name) => !this.failed.has(name));
    const needed = neededBlocks(this.view, missing);
    const wanted = missing.filter((name) => needed.has(name) && !this.loading.get(name)?.isNeeded);
    // A few blocks arrive sooner alone; many are not asked for twice.
    const running = wanted.length > MAX_TWICE ? wanted.filter((name) => this.loading.has(name)) : [];
    running.forEach((name) => (this.loading.get(name).isNeeded = true));
    const fresh = wanted.filter((name) => !running.includes(name));
    if (fresh.length > 0) this.load(fresh, true);
    if (this.ahead && this.others.length > 0) this.timer = setTimeout(() => this.loadAhead(), IDLE_MS);
  }

  /** The blocks that are loaded ahead. */
  get others() {
    return this.missing.filter((name) => !this.loading.has(name) && !this.failed.has(name) && !this.skipped.has(name));
  }

  /** Loads all other blocks, unless an image waits for its analysis. */
  loadAhead() {
    if (store.state.images.some(({ status }) => status === "waiting")) return;
    if (this.others.length > 0) this.load(this.others, false);
    announce();
  }

  async need(block) {
    if (!this.view.info(block)) return false;
    this.failed.delete(block);
    const running = this.loading.get(block);
    await (running?.isNeeded ? running : this.load([block], true)).done;
    return this.view.hasMaps(block);
  }

  /** Ends all requests: they are about another image. */
  abort() {
    for (const request of this.loading.values()) request.abort();
    this.loading.clear();
    this.failed.clear();
    this.skipped.clear();
    clearTimeout(this.timer);
  }

  /** @param source gives the answer with the maps, by default to a new request */
  load(names, isNeeded, source) {
    const controller = new AbortController();
    const request = { isNeeded, signal: controller.signal, abort: () => controller.abort() };
    names.forEach((name) => this.loading.set(name, request));
    request.done = this.fetch(names, request, source);
    return request;
  }

  async fetch(names, request, source) {
    const { image } = this.view;
    const { signal } = request;
    try {
      const options = { blocks: textOf(names), signal, priority: request.isNeeded ? "auto" : "low" };
      const { record, body } = await (source ? source() : ask(image, options));
      const patchOf = await extension(record, body);
      if (signal.aborted) return;
      this.settle(names, request);
      const isSame = ({ key, version, analysis }) => key === image.key && version === image.version && analysis;
      this.view.set({ images: this.view.state.images.map((entry) => (isSame(entry) ? { ...entry, ...patchOf(entry) } : entry)) });
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      this.settle(names, request);
      this.fail(names, error, request.isNeeded);
    }
  }

  settle(names, request) {
    for (const name of names) if (this.loading.get(name) === request) this.loading.delete(name);
  }

  /** Of maps that the view needs, the visitor learns it; the others are asked for again when they are needed. */
  fail(names, error, isNeeded) {
    names.forEach((name) => (isNeeded ? this.failed : this.skipped).add(name));
    if (!(error instanceof RequestError)) console.error(error);
    const text = error instanceof RequestError ? error.message : "They could not be shown.";
    const what = names.length === 1 ? `block ${shortBlockName(names[0])}` : `${names.length} blocks`;
    const retry = () => {
      this.failed.clear();
      this.skipped.clear();
      this.update();
    };
    if (isNeeded) store.addError({ text: `The maps of ${what} are missing. ${text}`, retry });
    this.update();
  }
}

/** An opened entry that is not shown yet, with the maps of a block. */
export async function withBlock(entry, block) {
  if (entry.atlases.mask.has(block)) return entry;
  const { record, body } = await ask(entry, { blocks: block });
  return { ...entry, ...(await extension(record, body))(entry) };
}

/** The maps of further blocks of an image. */
async function ask(image, { blocks, signal, priority }) {
  const { model, geometry } = image.analysis;
  const options = { model: model.name, framing: geometry.framing, blocks, signal, priority };
  if (image.sample && geometry.framing === "whole") return analyzeSample(image.sample.id, options);
  return analyzeBlocks(await fileOf(image), image.name, options);
}
