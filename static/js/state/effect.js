// Asks the service what groups do to the answer: their effects on the chosen classes, and the predictions without those
// that are switched off. Only the last answer counts. Answers are kept for the images of this visit.

import { ablate, attribute, isAbort, RequestError } from "../api.js";
import { hasClasses } from "./boxes.js";
import { fileOf } from "./images.js";
import { effectsOf } from "./opening.js";
import { groupsByBlock } from "./switched-off.js";

const DEBOUNCE_MS = 120;
const MAX_ANSWERS = 80;
// Random draws beside each measurement, and the seed that makes them repeat.
const [CONTROLS, SEED] = [10, 0];
const KEYS = ["images", "current", "target", "expected", "off", "offMode", "flattened", "block", "sort"];
const NOTHING = { status: "none" };
const answers = new Map();

/** Whether groups of the image's model can be switched off: it has SGE blocks, and classes whose scores may change. */
export const hasGroups = ({ analysis }) => analysis.model.gates !== "none" && hasClasses(analysis);

/** Whether the model gives the effects of all groups at once, by gradients; otherwise each group of a block is removed alone. */
const hasGradients = ({ analysis }) => analysis.can?.gradients !== false;

/** Whether effects that are not known can be measured, for the block that is shown. */
export const canMeasure = ({ image, state }) => !state.offline && hasGroups(image) && !hasGradients(image);

/** The answer with that key, asked for once. The answers that were used last are kept. */
function answerOf(key, ask) {
  const answer = answers.get(key) ?? ask();
  answers.delete(key);
  answers.set(key, answer);
  answer.catch(() => answers.delete(key));
  while (answers.size > MAX_ANSWERS) answers.delete(answers.keys().next().value);
  return answer;
}

function sentenceOf(error) {
  if (error instanceof RequestError) return error.message;
  console.error(error);
  return "The answer could not be read.";
}

const optionsOf = ({ analysis }) => ({ model: analysis.model.name, framing: analysis.geometry.framing });
const keyOf = (image, ...rest) => [image.key, image.analysis.model.name, image.analysis.geometry.framing, ...rest].join("|");
const keyOfTarget = (image, target) => keyOf(image, "attribute", target);

/** The effects on a class: of all groups, or of those of one block where there are no gradients. */
async function attributionOf(image, target, block) {
  if (!hasGradients(image)) return measuredAlone(image, target, block);
  const { attribution } = image.analysis;
  return answerOf(keyOfTarget(image, target), async () => {
    if (attribution?.target.index === target) return effectsOf(attribution);
    return effectsOf(await attribute(await fileOf(image), image.name, optionsOf(image), { target }));
  });
}

/** The effects of a block's groups on a class, with those of the blocks that were measured before. */
async function measuredAlone(image, target, block) {
  const before = [image.attribution, image.expectedAttribution].find((each) => each?.target.index === target);
  if (before?.effect[block]) return { attribution: before };
  const answer = await answerOf(keyOf(image, "attribute", target, block), async () => attribute(await fileOf(image), image.name, optionsOf(image), { target, blocks: block }));
  const merged = (key) => ({ ...before?.[key], ...answer[key] });
  return { attribution: { ...answer, effect: merged("effect"), spatial: merged("spatial"), method: merged("method") } };
}

/** What the service is asked to ablate: `{groups, mode, controls, seed}`, or null where everything is on. */
export function chosenAblation({ state: { flattened, offMode }, off }) {
  if (flattened) return { groups: "all", mode: "mean", controls: 0, seed: SEED };
  if (off.length === 0) return null;
  const groups = groupsByBlock(off).map(([block, numbers]) => `${block}:${numbers.join(",")}`).join(";");
  return { groups, mode: offMode, controls: CONTROLS, seed: SEED };
}

const followed = new WeakMap();

/** Keeps the effects of a store up to date. Returns a function that stops it. */
export function followEffects(store) {
  const effects = new Effects(store);
  followed.set(store, effects);
  return () => effects.stop();
}

/** Asks again after a failure. */
export const retry = (store) => followed.get(store)?.retry();

/** Measures the effect of every group of the open block by removing each of them in turn. */
export const measure = (store) => followed.get(store)?.measure();

class Effects {
  constructor(store) {
    this.store = store;
    const listener = ({ detail }) => KEYS.some((key) => detail.has(key)) && this.update();
    store.addEventListener("change", listener);
    this.stop = () => {
      store.removeEventListener("change", listener);
      this.forgetAblation();
      this.isStopped = true;
    };
    this.update();
  }

  update() {
    const { image } = this.store;
    if (!image) return;
    if (!hasGroups(image)) return this.store.set({ ablation: NOTHING, effect: { status: "ready" } });
    this.updateAttributions(image);
    this.updateAblation(image);
  }

  retry() {
    this.asked = null;
    if (this.store.state.ablation.status === "failed") this.store.set({ ablation: NOTHING });
    this.update();
  }

  /** Changes the entry of the image, unless it was analysed anew in the meantime. */
  change({ key, version }, patch) {
    const { images } = this.store.state;
    this.store.set({ images: images.map((entry) => (entry.key === key && entry.version === version ? { ...entry, ...patch } : entry)) });
  }

  /** What the effects that are shown depend on. Those that must be measured depend on the block too. */
  keyOfEffects(image) {
    const { block, target, expected } = this.store;
    return keyOf(image, image.version, target, expected, ...(hasGradients(image) ? [] : [block, this.areWanted]));
  }

  /** Whether effects are shown. They come with gradients; otherwise the visitor asks for them, by the order or by a class. */
  get areWanted() {
    const { sort, target, expected } = this.store.state;
    return hasGradients(this.store.image) || sort === "effect" || target !== null || expected !== null;
  }

  areThere(image) {
    const { block, target, expected } = this.store;
    const isOf = (attribution, index) => (attribution?.target.index ?? null) === index && (index === null || attribution.effect[block] !== undefined);
    return !this.areWanted || (isOf(image.attribution, target) && isOf(image.expectedAttribution, expected));
  }

  async updateAttributions(image) {
    const { block, target, expected } = this.store;
    const key = this.keyOfEffects(image);
    if (key === this.asked) return;
    this.asked = key;
    const isLast = () => key === this.asked && !this.isStopped;
    if (this.areThere(image)) return this.store.set({ effect: { status: "ready" } });
    this.store.set({ effect: { status: "waiting" } });
    try {
      const [main, other] = await Promise.all([attributionOf(image, target, block), expected === null ? null : attributionOf(image, expected, block)]);
      if (!isLast()) return;
      this.change(image, { ...main, expectedAttribution: other?.attribution ?? null });
      this.store.set({ effect: { status: "ready" } });
    } catch (error) {
      if (isLast()) this.store.set({ effect: { status: "failed", error: sentenceOf(error) } });
    }
  }

  /** Ends a request whose answer no longer counts. */
  forgetAblation() {
    clearTimeout(this.timer);
    const { request } = this;
    if (!request || request.isDone) return;
    answers.delete(request.key);
    request.controller.abort();
  }

  updateAblation(image) {
    const chosen = chosenAblation(this.store);
    const { target, expected } = this.store;
    const before = this.store.state.ablation;
    if (!chosen) {
      this.forgetAblation();
      if (before.status !== "none") this.store.set({ ablation: NOTHING });
      return;
    }
    const targets = [target, expected].filter((index) => index !== null);
    const key = keyOf(image, ...Object.values(chosen), ...targets);
    if (key === before.key && before.image === image.version) return;
    // The bars keep the last answer for the same image until the next one arrives.
    const result = before.image === image.version ? before.result : null;
    const common = { key, image: image.version };
    this.store.set({ ablation: { ...common, status: "waiting", result } });
    this.forgetAblation();
    const isLast = () => this.store.state.ablation.key === key && !this.isStopped;
    const ask = async () => {
      const request = { key, controller: new AbortController(), isDone: false };
      this.request = request;
      try {
        return await ablate(await fileOf(image), image.name, optionsOf(image), chosen, targets, request.controller.signal);
      } finally {
        request.isDone = true;
      }
    };
    this.timer = setTimeout(async () => {
      try {
        const answer = await answerOf(key, ask);
        if (isLast()) this.store.set({ ablation: { ...common, status: "ready", result: answer } });
      } catch (error) {
        // Where the same request is made again, its first try may end after that.
        if (isLast() && !isAbort(error)) this.store.set({ ablation: { ...common, status: "failed", error: sentenceOf(error) } });
      }
    }, answers.has(key) ? 0 : DEBOUNCE_MS);
  }

  async measure() {
    const { image, block, target, expected } = this.store;
    const key = this.keyOfEffects(image);
    const isLast = () => key === this.asked && !this.isStopped;
    this.store.set({ effect: { status: "measuring" } });
    try {
      const [main, other] = await Promise.all([this.measured(image, target, block), expected === null ? null : this.measured(image, expected, block)]);
      if (!isLast()) return;
      this.change(image, { attribution: main, expectedAttribution: other });
      this.store.set({ effect: { status: "ready" } });
    } catch (error) {
      if (isLast()) this.store.set({ effect: { status: "failed", error: sentenceOf(error) } });
    }
  }

  /** The attribution of a class in which the effects of one block are measured; also kept for later. */
  async measured(image, target, block) {
    const known = await attributionOf(image, target, block);
    const { attribution } = known;
    if (attribution.method[block] === "ablation") return attribution;
    const answer = await attribute(await fileOf(image), image.name, optionsOf(image), { target, blocks: block, method: "ablation" });
    const effect = { ...attribution.effect, [block]: answer.effect[block] };
    const method = { ...attribution.method, [block]: "ablation" };
    const merged = { ...attribution, effect, method };
    answers.set(keyOfTarget(image, target), Promise.resolve({ ...known, attribution: merged }));
    return merged;
  }
}

/** Shows the target and the ablation that a saved report contains. */
export function showRecorded(store) {
  const { analysis, version } = store.image;
  const { ablation, attribution, blocks } = analysis;
  if (attribution && attribution.target.index !== analysis.predictions[0]?.index) store.set({ target: attribution.target.index });
  if (!ablation) return;
  const areAllChosen = blocks.every(({ name, groups }) => ablation.groups[name]?.length === groups);
  const flattened = ablation.mode === "mean" && areAllChosen;
  const off = Object.entries(ablation.groups).flatMap(([block, groups]) => groups.map((group) => ({ block, group })));
  store.set({ off: flattened ? [] : off, offMode: flattened ? "zero" : ablation.mode, flattened, ablation: { status: "ready", image: version, result: ablation } });
}
