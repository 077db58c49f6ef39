// Analyses the images of the filmstrip, several at once, the requested one first.

import { analyze, analyzeSample, RequestError } from "../api.js";
import { PREVIEW_SIDE } from "./decoded-image.js";
import { firstBlocks, loadsAhead, noteBlocks, OPENING } from "./maps.js";
import { closed, factsOf, open } from "./opening.js";
import { Queue } from "./queue.js";
import { store } from "./store.js";

// A browser opens six connections to a host: these, one more for the requested image, and one for what else the visitor does.
const CONCURRENCY = 4;
// While the service is busy, fewer images are sent at once.
const BUSY_STATUS = [503, 504];
const PROGRESS_DELAY_MS = 300;

/** What an analysis is made with: the chosen framing and part finder, and the chosen model, or null for the service's default. */
export const options = () => ({ framing: store.state.framing, partsBy: store.state.partsBy, model: store.state.model });

/** Whether framing, model or part finder have changed since the image was analysed. */
export function isStale(facts) {
  const { framing, model, partsBy } = options();
  return facts.framing !== framing || (model !== null && facts.model !== model) || (facts.hasChoice && facts.partsBy !== partsBy);
}

/** Whether the service keeps the analyses of samples that are made like this. */
export const isKept = ({ framing, partsBy }) => framing === "whole" && partsBy === "mix";

/** Whether an image is on show, or will be as soon as it is analysed. */
const isShown = (key) => key === store.state.requested || key === store.state.current;

/** The sentence for the visitor, and whether the same request may succeed later. */
export function failureOf(error) {
  if (error instanceof RequestError) return { text: error.message, canRetry: error.canRetry };
  console.error(error);
  return { text: "It could not be shown. Try another image.", canRetry: false };
}

export class Analyses {
  /**
   * @param change `(key, patch)`: changes an entry of the filmstrip
   * @param fileOf `async (entry)`: the file of an image
   * @param onDecoded `(key, blob)`: the service has given the decoded image of a file
   * @param onReady `(key)`: an image has been analysed
   * @param onFailure `(key, {text, canRetry})`
   * @param onLost `()`: the service has not answered several requests in a row
   */
  constructor({ change, fileOf, onDecoded, onReady, onFailure, onLost }) {
    Object.assign(this, { change, fileOf, onDecoded, onReady, onFailure, onLost });
    this.chosen = new Map();
    this.waits = new Map();
    this.lost = 0;
    this.queue = new Queue({ limit: CONCURRENCY, work: (key, signal) => this.work(key, signal), isFirst: (key) => key === store.state.requested });
  }

  add(key) {
    this.change(key, { status: "waiting", error: null });
    this.queue.add(key);
    this.announceSoon();
  }

  forget(key) {
    this.queue.remove(key);
  }

  /** Forgets an image that is not being analysed yet; returns whether there was one. */
  forgetWaiting(key) {
    const isWaiting = this.queue.waiting.includes(key);
    if (isWaiting) this.queue.remove(key);
    return isWaiting;
  }

  clear() {
    const keys = this.queue.clear();
    this.announce();
    return keys;
  }

  /** Follows the choice of image, model, framing and part finder: aborts outdated requests and sends them again, the requested one first. */
  follow() {
    const now = options();
    for (const [key, chosen] of [...this.chosen]) {
      if (Object.keys(now).every((name) => chosen[name] === now[name])) continue;
      this.queue.remove(key);
      this.queue.add(key);
    }
    this.queue.start();
    this.announceSoon();
  }

  async work(key, signal) {
    const entry = store.entry(key);
    const chosen = options();
    this.chosen.set(key, chosen);
    try {
      const answer = await this.request(entry, { ...chosen, signal });
      signal.throwIfAborted();
      noteBlocks(chosen.model, answer.record);
      await this.keep(key, answer, { ...chosen, signal });
    } catch (error) {
      if (!signal.aborted) this.fail(key, error);
    } finally {
      if (this.chosen.get(key) === chosen) this.chosen.delete(key);
      this.waits.delete(key);
      this.announce();
    }
  }

  async request({ key, name, sample, file, url }, chosen) {
    const onBusy = (text, seconds) => {
      this.queue.limit = 1;
      this.queue.pause(1000 * seconds);
      this.waits.set(key, text);
      this.announce();
    };
    const isOpen = isShown(key);
    const blocks = isOpen ? firstBlocks(store, chosen.model) : OPENING;
    // The maps of the other blocks follow, unless they would delay another image.
    const rest = isOpen && loadsAhead(store) && !store.state.images.some((other) => other.key !== key && other.status === "waiting");
    if (sample && isKept(chosen)) return analyzeSample(sample.id, { ...chosen, blocks }, onBusy);
    const preview = file && !url ? PREVIEW_SIDE : null;
    return analyze(await this.fileOf({ file, url }), name, { ...chosen, blocks, rest, preview }, onBusy);
  }

  /** Opens the analysis of the image that is shown or requested; of any other image, keeps the answer. */
  async keep(key, { record, body, rest }, { partsBy, signal }) {
    this.lost = 0;
    this.queue.limit = Math.min(CONCURRENCY, this.queue.limit + 1);
    const isOpen = isShown(key);
    const known = store.entry(key).url;
    const { preview } = record;
    const url = known ?? (preview && URL.createObjectURL(preview));
    const kept = isOpen ? await open(record, url, [body]) : { ...closed([body]), url };
    if (signal.aborted && url && !known) URL.revokeObjectURL(url);
    signal.throwIfAborted();
    this.change(key, { ...kept, rest, facts: { ...factsOf(record), partsBy } });
    if (preview) this.onDecoded(key, preview);
    this.onReady(key);
    if (key !== store.state.current) rest?.cancel();
  }

  /** After as many lost requests in a row as run at once, the service is gone, and the rest of the queue need not try. */
  fail(key, error) {
    this.lost = error instanceof RequestError && error.status === null && error.canRetry ? this.lost + 1 : 0;
    if (BUSY_STATUS.includes(error.status)) this.queue.limit = 1;
    this.onFailure(key, failureOf(error));
    if (this.lost < CONCURRENCY) return;
    this.lost = 0;
    this.onLost();
  }

  announceSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.announce(), PROGRESS_DELAY_MS);
  }

  /** Says what the page waits for: a busy service, else the requested image. */
  announce() {
    const [wait] = this.waits.values();
    const entry = store.entry(store.state.requested);
    store.set({ busy: wait ?? (entry?.status === "waiting" ? `Analysing ${entry.sample?.title ?? entry.name} \u2026` : null) });
  }
}
