// Requests to the service: analyses, models, downloads, and the curl command for the same request.

import { bytesBeforeRest, packedAgain, unpack } from "./state/packed.js";
import { Streamed } from "./state/streamed.js";

const MAX_TRIES = 6;
// A longer wait that the service asks for is cut: the visitor can also stop, and try again.
const MAX_WAIT_S = 60;
const INCOMPLETE = "The answer of the service is incomplete. Try again.";
const UNREADABLE = "The browser cannot read it: it is a folder, or the file no longer exists. Drop the images themselves.";
// 408, 429 and every status of 500 or more may be different next time; other answers stay the same for the same request.
const isTemporary = (status) => status === 408 || status === 429 || status >= 500;

/** A refused request; the message is a sentence for the visitor. */
export class RequestError extends Error {
  /**
   * @param status of the answer, or null where the service did not answer
   * @param canRetry whether the same request may succeed later
   */
  constructor(message, { status = null, canRetry = true } = {}) {
    super(message);
    Object.assign(this, { status, canRetry });
  }
}

/** Whether an error is the end of a request that the page itself has aborted. */
export const isAbort = (error) => error?.name === "AbortError";

/**
 * Fetches. While the service is busy or loads its model, waits for `Retry-After` and tries again; a model that could not be
 * loaded is told at once.
 *
 * @param onBusy is called with a sentence and with the seconds until the next try
 * @param signal aborts the request, or the wait; the promise is then rejected with an AbortError
 */
async function request(url, { onBusy = () => {}, signal, ...init } = {}) {
  for (let tries = 1; ; tries += 1) {
    const response = await fetch(url, { ...init, signal }).catch((error) => {
      if (signal?.aborted) throw error;
      throw new RequestError("The service does not answer. Is it still running? Start it with make run and try again.");
    });
    if (response.ok) return response;
    const { status } = response;
    const { detail, reason } = await problemOf(response);
    if (status !== 503 || reason === "failed" || tries === MAX_TRIES) throw new RequestError(detail, { status, canRetry: isTemporary(status) });
    const seconds = Math.min(MAX_WAIT_S, Number(response.headers.get("Retry-After")) || 1);
    onBusy(`${reason === "loading" ? "The model is loading" : "The service is busy"}; trying again in ${seconds} s \u2026`, seconds);
    await pause(1000 * seconds, signal);
  }
}

/** Resolves after a time; is rejected at once when `signal` aborts. */
function pause(milliseconds, signal) {
  return new Promise((done, fail) => {
    const abort = () => (clearTimeout(timer), fail(signal.reason));
    const timer = setTimeout(() => (signal?.removeEventListener("abort", abort), done()), milliseconds);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** The sentence of a refusal, and in one word why the service could not answer yet. */
async function problemOf(response) {
  const unknown = `The service answered ${response.status}. Try again.`;
  try {
    const { detail, reason } = await response.json();
    return { detail: detail ?? unknown, reason };
  } catch {
    return { detail: unknown };
  }
}

/** The body of an answer; one that ends too early is an error of its own. */
async function bodyOf(response, read, signal) {
  try {
    return await response[read]();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new RequestError(INCOMPLETE);
  }
}

/**
 * The record of a binary answer, and the answer as a blob from which it can be read again: `{record, body, rest}`.
 *
 * `rest` is null, or the maps of all other blocks, which still arrive: `take()` resolves to their `{record, body}`, the first
 * time that it is called; `cancel()` ends the answer.
 */
async function recordOf(response, signal) {
  const streamed = new Streamed(response);
  const answer = await partOf(streamed, () => bytesBeforeRest(streamed), signal);
  return { ...answer, rest: answer.record.rest === undefined ? null : restOf(streamed) };
}

async function partOf(streamed, bytes, signal) {
  try {
    const buffer = await streamed.take(await bytes());
    const record = unpack(buffer);
    if (record.preview === null) throw new RangeError("its preview is missing");
    return { record, body: packedAgain(buffer, record) };
  } catch (error) {
    streamed.cancel();
    if (signal?.aborted) throw error;
    throw new RequestError(INCOMPLETE);
  }
}

function restOf(streamed) {
  let isTaken = false;
  return {
    get isTaken() {
      return isTaken;
    },
    take() {
      isTaken = true;
      return partOf(streamed, () => Infinity);
    },
    cancel() {
      isTaken = true;
      streamed.cancel();
    },
  };
}

async function post(route, query, blob, name, options = {}) {
  try {
    await blob.slice(0, 1).arrayBuffer();
  } catch {
    throw new RequestError(UNREADABLE, { canRetry: false });
  }
  const body = new FormData();
  body.append("image", blob, name);
  return request(`api/v1/${route}?${new URLSearchParams(query)}`, { ...options, method: "POST", body });
}

/** What the parts are found by, where it is not what the service takes by itself. */
export const partsQuery = (partsBy) => (partsBy === "groups" ? { parts_by: partsBy } : {});

function queryOf({ framing, model }) {
  return model ? { framing, model } : { framing };
}

/**
 * The analysis of a file, with the effects of all groups on the predicted class if the model gives them at once:
 * `{record, body, rest}`, see `recordOf`.
 *
 * @param options `{framing, model, partsBy, blocks, rest, preview, signal}`: the maps of these blocks, names separated by commas;
 *   whether those of all others follow; the decoded image with at most `preview` pixels a side
 */
export async function analyze(blob, name, options, onBusy) {
  const { blocks, rest, signal, preview, partsBy } = options;
  const more = { ...(rest && blocks ? { rest } : {}), ...(preview ? { preview } : {}), ...partsQuery(partsBy) };
  const query = { ...queryOf(options), format: "atlas", blocks, top_k: 5, target: "predicted", method: "gradient", ...more };
  return recordOf(await post("analyze", query, blob, name, { onBusy, signal }), signal);
}

/** The maps of further blocks of a file: `{record, body}`; see `analyze`. */
export async function analyzeBlocks(blob, name, options) {
  const { blocks, signal, priority } = options;
  const query = { ...queryOf(options), format: "atlas", blocks, top_k: 1 };
  return recordOf(await post("analyze", query, blob, name, { signal, priority }), signal);
}

/**
 * The effects of groups on one class.
 *
 * @param chosen `{target, blocks, method}`; without `blocks`, of every block
 */
export async function attribute(blob, name, options, chosen) {
  return bodyOf(await post("attribute", { ...queryOf(options), ...chosen }, blob, name), "json");
}

/**
 * The predictions before and after groups are ablated, and with random groups in their place.
 *
 * @param chosen `{groups, mode, controls, seed}`
 * @param targets indices of classes that the answer must contain
 * @param signal aborts the request
 */
export async function ablate(blob, name, options, chosen, targets, signal) {
  const query = [...Object.entries({ ...queryOf(options), ...chosen, top_k: 5 }), ...targets.map((target) => ["target", target])];
  return bodyOf(await post("ablate", query, blob, name, { signal }), "json", signal);
}

/** The label of every class of a model. */
export async function labels(model) {
  return (await bodyOf(await request(`api/v1/models/${encodeURIComponent(model)}`), "json")).labels ?? [];
}

/** The analysis of a sample, which the service keeps, with the maps of some blocks: `{record, body}`. */
export async function analyzeSample(id, { model, blocks, signal, priority }, onBusy) {
  const query = new URLSearchParams({ format: "atlas", blocks, ...(model ? { model } : {}) });
  return recordOf(await request(`samples/${id}/analysis?${query}`, { onBusy, signal, priority }), signal);
}

/** The file of a sample, as a blob. */
export async function sampleFile(url) {
  return bodyOf(await request(url), "blob");
}

/** Every model of the service: its card, and whether it is ready. */
export async function models() {
  return bodyOf(await request("api/v1/models"), "json");
}

/** The arrays from which the mask of one group is made. */
export async function steps(blob, name, { block, group, model, framing }) {
  return bodyOf(await post("steps", { block, group, model, framing }, blob, name), "json");
}

export async function masks(blob, name, options, format, signal) {
  return bodyOf(await post("masks", { ...queryOf(options), format, signal }, blob, name), "blob");
}

/** The image as the service decodes it: upright, in sRGB, on white. */
export async function decodedImage(blob, name, query) {
  return bodyOf(await post("image", query, blob, name), "blob");
}

/** The whole analysis or a report; @param query as `analyzeQuery` or `reportQuery` in state/service-requests.js gives it */
export async function wholeAnalysis(blob, name, query) {
  return bodyOf(await post("analyze", query, blob, name), "blob");
}
