// The second model of a comparison. It follows the image, the controls, and the chosen groups and classes of the first.

import { analyze, analyzeSample, RequestError } from "../api.js";
import { isKept, isStale } from "./analyses.js";
import { correspondingBlock } from "./corresponding-block.js";
import { followEffects } from "./effect.js";
import { fileOf } from "./images.js";
import { carryGroups, LinkedClasses } from "./linked-groups.js";
import { firstBlocks, followMaps, loadsAhead, noteBlocks, withBlock } from "./maps.js";
import { open } from "./opening.js";
import { store, Store } from "./store.js";

// Keys that have the same value in both stores.
const SHARED = ["colormap", "scale", "opacity", "point", "pointer", "zoom", "sort", "note", "difference", "boxes"];
const LINKED_GROUPS = ["pins", "hover", "off", "offMode", "flattened"];
const LINKED_CLASSES = ["target", "expected"];
const PROGRESS_DELAY_MS = 300;

export class Comparison {
  constructor(model) {
    this.model = model;
    this.store = new Store("-second");
    this.store.first = store;
    this.store.set({ model, pins: store.pinsOf(model), view: store.state.view, signal: store.state.signal });
    this.copy(store, this.store, SHARED);
    this.classes = new LinkedClasses();
    this.requests = 0;
    this.cleanups = [this.link(store, this.store), this.link(this.store, store)];
    const listener = ({ detail }) => ["current", "images", "partsBy"].some((key) => detail.has(key)) && this.update();
    store.addEventListener("change", listener);
    this.cleanups.push(() => store.removeEventListener("change", listener));
    this.cleanups.push(followEffects(this.store), followMaps(this.store));
    store.second = this.store;
    this.update();
  }

  end() {
    this.requests += 1;
    this.hasEnded = true;
    this.say(null);
    this.cleanups.forEach((cleanup) => cleanup());
    store.second = null;
    store.set({ difference: false });
    store.keepPins(this.model, this.store.state.pins);
  }

  copy(from, to, keys) {
    to.set(Object.fromEntries(keys.map((key) => [key, from.state[key]])));
  }

  /** Carries changes from one store to the other. `isCarrying` stops the way back. */
  link(from, to) {
    const listener = ({ detail }) => {
      if (!this.isCarrying) this.carry(from, to, detail);
    };
    from.addEventListener("change", listener);
    return () => from.removeEventListener("change", listener);
  }

  carry(from, to, changed) {
    this.isCarrying = true;
    try {
      this.copy(from, to, SHARED.filter((key) => changed.has(key)));
      if (changed.has("block") && from.state.block) this.align(from, to);
      carryGroups(from, to, changed);
    } finally {
      this.isCarrying = false;
    }
    this.carryClasses(from, to, changed);
  }

  /** A chosen block selects the corresponding one. Where its groups are shown, both sides show groups. */
  align(from, to) {
    if (!from.image || !to.image) return;
    const view = from.state.view === "groups" ? "groups" : to.state.view;
    to.set({ block: correspondingBlock(from.block, from.image.analysis.blocks, to.image.analysis.blocks), hover: null, view });
  }

  /** A chosen class selects the class of the same label. The labels come from the service. */
  async carryClasses(from, to, changed) {
    for (const key of LINKED_CLASSES.filter((each) => changed.has(each))) {
      const index = from.state[key];
      if (!from.image || !to.image) continue;
      const translated = await this.classes.translate(index, from, to);
      if (this.hasEnded || from.state[key] !== index) continue;
      this.isCarrying = true;
      to.set({ [key]: translated });
      this.isCarrying = false;
    }
  }

  /** Analyses the current image once for each of its versions and each part finder. Only the last request is shown. */
  async update() {
    const entry = store.image;
    const { partsBy } = store.state;
    // The first model is about to analyse it again.
    if (!entry || isStale(entry.facts)) return;
    const version = `${entry.version} ${partsBy}`;
    if (this.version === version) return;
    this.version = version;
    this.requests += 1;
    const { requests, model } = this;
    const { framing } = entry.analysis.geometry;
    const isLast = () => requests === this.requests;
    const showProgress = (text) => isLast() && this.say(text);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => showProgress(`Analysing with ${model} \u2026`), PROGRESS_DELAY_MS);
    try {
      const blocks = firstBlocks(this.store, model);
      const { record, body, rest } =
        entry.sample && isKept({ framing, partsBy })
          ? await analyzeSample(entry.sample.id, { model, blocks }, showProgress)
          : await analyze(await fileOf(entry), entry.name, { framing, model, partsBy, blocks, rest: loadsAhead(this.store) }, showProgress);
      noteBlocks(model, record);
      const opened = { ...entry, ...(await open(record, entry.url, [body])), rest };
      // The second model begins with the block that corresponds, not with its own opening block.
      const complete = await withBlock(opened, this.firstBlock(record));
      if (isLast()) this.show(complete);
      else rest?.cancel();
    } catch (error) {
      if (!(error instanceof RequestError)) console.error(error);
      if (!isLast()) return;
      store.addError(`${model}: ${error instanceof RequestError ? error.message : "the image could not be shown."}`);
      store.set({ compare: null });
    } finally {
      showProgress(null);
    }
  }

  /** Says what the second model waits for; with null, takes back what it has said, and nothing else. */
  say(text) {
    clearTimeout(this.timer);
    if (text !== null || store.state.busy === this.said) store.set({ busy: text });
    this.said = text;
  }

  /** The block of the second model that is shown with an analysis. */
  firstBlock({ blocks }) {
    const chosen = this.store.state.block;
    if (blocks.some(({ name }) => name === chosen)) return chosen;
    return correspondingBlock(store.block, store.image.analysis.blocks, blocks);
  }

  /** Shows the analysis. The first one takes over the choices of the first model, and its signal. */
  show(entry) {
    const isFirst = this.store.image === null;
    this.store.set({ images: [entry], current: entry.key, requested: entry.key, hover: null });
    if (!isFirst) return;
    if (this.store.state.signal === null) this.store.set({ signal: store.signal });
    const chosen = [...LINKED_GROUPS, ...LINKED_CLASSES].filter((key) => !isDefault(store.state[key]));
    this.carry(store, this.store, new Set(["pins", ...chosen]));
    if (this.store.state.block !== null) return;
    this.isCarrying = true;
    this.align(store, this.store);
    this.isCarrying = false;
  }
}

/** Whether nothing is chosen: null, false or an empty list. */
const isDefault = (value) => value === null || value === false || value.length === 0;
