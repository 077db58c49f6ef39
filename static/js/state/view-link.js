// A view is a link: the URL's hash follows the store, and the store follows the hash when a visitor opens a link, reloads,
// or goes back and forward.

import { models, RequestError } from "../api.js";
import { isStale } from "./analyses.js";
import { show } from "./images.js";
import { store } from "./store.js";
import { problem, readHash, VIEW_KEYS, withoutUnknown, writeHash } from "./view-hash.js";

// A change of these is a step to which Back returns; a change of the others replaces the current step.
const STEPS = ["current", "model", "block", "target", "compare", "off", "offMode", "flattened"];
/** The keys of the store on which the link depends. */
export const LINK_KEYS = [...new Set([...STEPS, ...VIEW_KEYS, "images"])];
// Set as soon as a link is opened; the others wait for the analysis, which tells what exists.
const EARLY_KEYS = ["model", "framing", "partsBy", "signal", "scale", "colormap", "opacity", "boxes", "sort", "view"];
const LATE_KEYS = ["view", ...VIEW_KEYS.filter((key) => !["image", ...EARLY_KEYS].includes(key))];
// What a report can apply to its one analysis; its target and what is off are part of the analysis.
const RECORDED_KEYS = ["block", "pins", "signal", "scale", "colormap", "opacity", "boxes", "view", "sort", "point"];
// Browsers limit how often a page may replace its URL.
const REPLACE_DELAY_MS = 300;
const OWN = "own";
const OWN_NOTE = "This link was made with an own image, which it does not contain; its settings are applied to the sample.";
const GONE_NOTE = "That image is no longer in this tab.";
const MAX_PROBLEMS = 6;
// The model that the service uses when a request names none; known after the first answer that tells.
let defaultModel = null;

/** The view of the page's store. An own image is named `own`: the link does not contain it. */
function currentView() {
  const { image, state } = store;
  const { images } = state;
  const name = image.sample ? image.key : OWN;
  const view = Object.fromEntries(VIEW_KEYS.map((key) => [key, state[key]]));
  const isFirst = name === images.find(({ sample }) => sample)?.key;
  return { ...view, model: state.model === defaultModel ? null : state.model, image: isFirst ? null : name };
}

/** The hash of the current view, without `#`. */
export const currentHash = () => (store.image ? writeHash(currentView()) : "");

/** The hash for a report, which contains its image and the analysis by one model. */
export const reportHash = () => writeHash({ ...currentView(), image: null, model: null, compare: null, difference: false, tour: null });

/** The link of the current view, on the page itself also where it is shown in a frame. */
export const currentLink = () => new URL(`${location.pathname}#${currentHash()}`, location.href).href;

/** Opens a report, whose one image is analysed, with the settings of a hash. */
export function openRecorded(hash) {
  const { view } = withoutUnknown(readHash(hash).view, store.image.analysis);
  store.set(pick(view, RECORDED_KEYS));
}

/** Connects the store and the hash. */
export class ViewLink {
  /** @param keepsSteps whether steps become entries of the browser's history; not in a frame, whose page has its own */
  constructor({ keepsSteps = true } = {}) {
    this.keepsSteps = keepsSteps;
    // Tells entries of this visit from those before a reload, whose own images are gone.
    this.visit = Math.random();
    this.changed = new Set();
    store.addEventListener("change", ({ detail }) => this.follow(detail));
    addEventListener("popstate", ({ state }) => this.open(location.hash, state));
  }

  /** Shows the view of a hash. Keys that cannot be used are named in a note. */
  async open(hash, entry = null) {
    const { view, problems } = readHash(hash);
    const opening = { view, problems, notes: [] };
    this.opening = opening;
    clearTimeout(this.timer);
    this.changed.clear();
    await this.checkModels(opening);
    if (this.opening !== opening) return;
    opening.key = this.imageOf(opening, entry);
    // Once a model was chosen, the default one must be named too.
    const early = { ...pick(view, EARLY_KEYS), model: view.model ?? (store.state.model && defaultModel) };
    store.set({ requested: opening.key, ...early });
    // The change of the model has reset what belongs to a model.
    store.set(early);
    show(opening.key);
    this.finish();
  }

  /** Checks the names of models. Only a link that names a model or a class, or leaves a chosen model, needs their list. */
  async checkModels(opening) {
    const { view, problems } = opening;
    const isNeeded = ["model", "compare", "target", "expected"].some((key) => view[key] !== null) || (store.state.model !== null && defaultModel === null);
    if (!isNeeded) return;
    try {
      this.models ??= await models();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      return;
    }
    for (const key of ["model", "compare"]) {
      const model = this.models.find(({ name }) => name === view[key]);
      if (view[key] === null || (model && !model.error)) continue;
      problems.push(problem(key, view[key]));
      view[key] = null;
    }
    defaultModel ??= this.models.find((model) => model.default)?.name ?? null;
    opening.classes = this.models.find(({ name }) => name === (view.model ?? defaultModel))?.classes ?? null;
  }

  /** The key of the image that a link names, else of the first sample, or of the current image if the visitor went back. */
  imageOf({ view, problems, notes }, entry) {
    const samples = store.state.images.filter(({ sample }) => sample);
    const isOwn = view.image === OWN;
    if (view.image === null) return samples[0].key;
    if (isOwn && entry?.visit === this.visit && store.entry(entry.key)) return entry.key;
    if (!isOwn && samples.some(({ key }) => key === view.image)) return view.image;
    if (!isOwn) problems.push(problem("image", view.image));
    else notes.push(entry?.visit === this.visit ? GONE_NOTE : OWN_NOTE);
    return store.image ? store.state.current : samples[0].key;
  }

  /** Completes an opening as soon as its image is analysed with its model, framing and part finder. */
  finish() {
    const { opening } = this;
    const { image, state } = store;
    if (!opening?.key) return;
    // The visitor has chosen another image. Where none is requested, the link's image has failed, and Retry may still show it.
    if (state.requested !== null && state.requested !== opening.key) this.opening = null;
    if (!image || image.key !== opening.key || isStale(image.facts)) return;
    this.opening = null;
    if (state.model === null) defaultModel = image.analysis.model.name;
    const { view, problems } = withoutUnknown(opening.view, image.analysis, opening.classes);
    if (view.compare === image.analysis.model.name) view.compare = null;
    store.set(pick(view, LATE_KEYS));
    const notes = [...opening.notes, ...sentence([...opening.problems, ...problems])];
    if (notes.length > 0) store.set({ note: notes.join(" ") });
    this.replace();
  }

  follow(changed) {
    if (this.opening) {
      if (["images", "current", "requested", "model", "framing", "partsBy"].some((key) => changed.has(key))) this.finish();
      return;
    }
    const keys = LINK_KEYS.filter((key) => key !== "images" && changed.has(key));
    if (!store.image || keys.length === 0) return;
    if (this.changed.size === 0) queueMicrotask(() => this.write());
    keys.forEach((key) => this.changed.add(key));
  }

  /** Writes what one action of the visitor has changed. */
  write() {
    const isStep = this.keepsSteps && STEPS.some((key) => this.changed.has(key));
    this.changed.clear();
    if (this.opening) return;
    clearTimeout(this.timer);
    if (!isStep) this.timer = setTimeout(() => this.replace(), REPLACE_DELAY_MS);
    else if (this.isChanged()) history.pushState(this.entry, "", this.url);
  }

  replace() {
    if (this.isChanged()) history.replaceState(this.entry, "", this.url);
  }

  get entry() {
    return { key: store.state.current, visit: this.visit };
  }

  get url() {
    return `${location.pathname}${location.search}${currentHash() && `#${currentHash()}`}`;
  }

  isChanged() {
    return store.image && (currentHash() !== location.hash.replace(/^#/, "") || history.state?.key !== store.state.current);
  }
}

/** What cannot be used, as a list of at most one sentence. */
function sentence(problems) {
  if (problems.length === 0) return [];
  const rest = problems.length - MAX_PROBLEMS;
  return [`Ignored in this link: ${problems.slice(0, MAX_PROBLEMS).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}.`];
}

const pick = (from, keys) => Object.fromEntries(keys.map((key) => [key, from[key]]));
