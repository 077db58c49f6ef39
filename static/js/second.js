// A second model's view of the picture on show: it follows the first one, and has blocks and pins of its own.

import { corresponding } from "./align.js";
import { analyze, analyzeSample, Refusal } from "./api.js";
import { blobOf, open } from "./pictures.js";
import { store, Store } from "./store.js";

// What both show alike, whichever it was that changed.
const SHARED = ["colormap", "scale", "opacity", "point", "reading", "sort", "note"];
const WAIT_SHOWN_MS = 300;

export class Second {
  constructor(model) {
    this.model = model;
    this.store = new Store("-second");
    this.store.set({ model, pins: store.pinsOf(model), view: store.state.view, signal: store.state.signal });
    this.copy(store, this.store, SHARED);
    this.turn = 0;
    this.ends = [this.link(store, this.store), this.link(this.store, store)];
    const follow = ({ detail }) => (detail.has("current") || detail.has("pictures")) && this.look();
    store.addEventListener("change", follow);
    this.ends.push(() => store.removeEventListener("change", follow));
    store.second = this.store;
    this.look();
  }

  end() {
    this.turn += 1;
    this.ends.forEach((end) => end());
    store.second = null;
    store.keepPins(this.model, this.store.state.pins);
  }

  copy(from, to, keys) {
    to.set(Object.fromEntries(keys.map((key) => [key, from.state[key]])));
  }

  /** A chosen block brings up the one that corresponds to it, but does not come back as an echo. */
  link(from, to) {
    const listener = ({ detail }) => {
      this.copy(from, to, SHARED.filter((key) => detail.has(key)));
      if (!detail.has("block") || this.aligning || !from.state.block) return;
      this.aligning = true;
      this.align(from, to);
      this.aligning = false;
    };
    from.addEventListener("change", listener);
    return () => from.removeEventListener("change", listener);
  }

  align(from, to) {
    if (from.picture && to.picture) to.set({ block: corresponding(from.block, from.picture.analysis.blocks, to.picture.analysis.blocks), hover: null });
  }

  /** Analyses the picture on show, once for each of its versions; only the last answer counts. */
  async look() {
    const entry = store.picture;
    if (!entry || this.seen === entry.version) return;
    this.seen = entry.version;
    this.turn += 1;
    const { turn, model } = this;
    const { framing } = entry.analysis.geometry;
    const busy = (text) => store.set({ busy: text });
    const slow = setTimeout(() => busy(`Looking with ${model} \u2026`), WAIT_SHOWN_MS);
    try {
      const analysis =
        entry.sample && framing === "whole"
          ? await analyzeSample(entry.sample.id, { model }, busy)
          : await analyze(await blobOf(entry), entry.name, { framing, model }, busy);
      const opened = await open(analysis, entry.url);
      if (turn === this.turn) this.show({ ...entry, ...opened });
    } catch (error) {
      if (!(error instanceof Refusal)) console.error(error);
      if (turn !== this.turn) return;
      const said = error instanceof Refusal ? error.message : "it could not be shown.";
      store.set({ compare: null, errors: [...store.state.errors, `${model}: ${said}`] });
    } finally {
      clearTimeout(slow);
      if (turn === this.turn) busy(null);
    }
  }

  show(entry) {
    this.store.set({ pictures: [entry], current: entry.key, wanted: entry.key, hover: null });
    if (this.store.state.block === null) this.align(store, this.store);
  }
}
