// The second model of a comparison. It follows the images of the first, and has its own blocks and pins.

import { analyze, analyzeSample, RequestError } from "../api.js";
import { correspondingBlock } from "./corresponding-block.js";
import { followEffects } from "./effect.js";
import { fileOf } from "./images.js";
import { open } from "./opening.js";
import { store, Store } from "./store.js";

// Keys that have the same value in both stores.
const SHARED = ["colormap", "scale", "opacity", "point", "pointer", "zoom", "sort", "note"];
const PROGRESS_DELAY_MS = 300;

export class Comparison {
  constructor(model) {
    this.model = model;
    this.store = new Store("-second");
    this.store.set({ model, pins: store.pinsOf(model), view: store.state.view, signal: store.state.signal });
    this.copy(store, this.store, SHARED);
    this.requests = 0;
    this.cleanups = [this.link(store, this.store), this.link(this.store, store)];
    const listener = ({ detail }) => (detail.has("current") || detail.has("images")) && this.update();
    store.addEventListener("change", listener);
    this.cleanups.push(() => store.removeEventListener("change", listener));
    this.cleanups.push(followEffects(this.store));
    store.second = this.store;
    this.update();
  }

  end() {
    this.requests += 1;
    this.cleanups.forEach((cleanup) => cleanup());
    store.second = null;
    store.keepPins(this.model, this.store.state.pins);
  }

  copy(from, to, keys) {
    to.set(Object.fromEntries(keys.map((key) => [key, from.state[key]])));
  }

  /** Copies shared keys. A chosen block selects the corresponding one; `isAligning` stops the reverse update. */
  link(from, to) {
    const listener = ({ detail }) => {
      this.copy(from, to, SHARED.filter((key) => detail.has(key)));
      if (detail.has("block") && !this.isAligning && from.state.block) this.align(from, to);
    };
    from.addEventListener("change", listener);
    return () => from.removeEventListener("change", listener);
  }

  align(from, to) {
    if (!from.image || !to.image) return;
    this.isAligning = true;
    to.set({ block: correspondingBlock(from.block, from.image.analysis.blocks, to.image.analysis.blocks), hover: null });
    this.isAligning = false;
  }

  /** Analyses the current image once for each of its versions. Only the last request is shown. */
  async update() {
    const entry = store.image;
    if (!entry || this.version === entry.version) return;
    this.version = entry.version;
    this.requests += 1;
    const { requests, model } = this;
    const { framing } = entry.analysis.geometry;
    const showProgress = (text) => store.set({ busy: text });
    const timer = setTimeout(() => showProgress(`Analysing with ${model} \u2026`), PROGRESS_DELAY_MS);
    try {
      const analysis =
        entry.sample && framing === "whole"
          ? await analyzeSample(entry.sample.id, { model }, showProgress)
          : await analyze(await fileOf(entry), entry.name, { framing, model }, showProgress);
      const opened = await open(analysis, entry.url);
      if (requests === this.requests) this.show({ ...entry, ...opened });
    } catch (error) {
      if (!(error instanceof RequestError)) console.error(error);
      if (requests !== this.requests) return;
      const message = error instanceof RequestError ? error.message : "the image could not be shown.";
      store.set({ compare: null, errors: [...store.state.errors, `${model}: ${message}`] });
    } finally {
      clearTimeout(timer);
      if (requests === this.requests) showProgress(null);
    }
  }

  show(entry) {
    this.store.set({ images: [entry], current: entry.key, requested: entry.key, hover: null });
    if (this.store.state.block === null) this.align(store, this.store);
  }
}
