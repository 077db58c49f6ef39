// Opens an analysis for drawing, adds maps to it, and closes it again, so that many images fit into the tab's memory.

import { decodeAtlas } from "./atlas.js";
import { foundInWords } from "./boxes.js";
import { loadImage } from "./decoded-image.js";
import { unpack } from "./packed.js";
import { hasChoice } from "./parts.js";

let serial = 0;

async function decoded(records) {
  return new Map(await Promise.all(Object.entries(records).map(async ([name, record]) => [name, await decodeAtlas(record)])));
}

/**
 * An analysis with its maps decoded and its image loaded.
 *
 * @param record may hold the maps of some blocks only
 * @param url of the decoded image, or null without one
 * @param bodies the answers, as blobs, from which it can be opened again
 */
export async function open(record, url, bodies = []) {
  const { masks, similarity, preview, rest, ...analysis } = record;
  const [mask, similar, parts, effects, element] = await Promise.all([
    decoded(masks),
    decoded(similarity),
    decoded(analysis.part_maps ?? {}),
    effectsOf(analysis.attribution),
    loadImage(url),
  ]);
  serial += 1;
  return { url, element, analysis, bodies, atlases: { mask, similarity: similar, parts }, ...effects, expectedAttribution: null, version: serial, status: "ready" };
}

/**
 * Decodes the maps of further blocks. Returns a function of an open entry that gives what changes in it; its version stays,
 * because it is the same analysis.
 */
export async function extension(record, body) {
  const [mask, similarity] = await Promise.all([decoded(record.masks), decoded(record.similarity)]);
  return ({ analysis, atlases, bodies }) => ({
    analysis: { ...analysis, focus: { ...analysis.focus, ...record.focus }, energy: { ...analysis.energy, ...record.energy } },
    atlases: { ...atlases, mask: new Map([...atlases.mask, ...mask]), similarity: new Map([...atlases.similarity, ...similarity]) },
    bodies: [...bodies, body],
  });
}

/** What an entry keeps of an answer of `/attribute`: the effects on one class, and its Grad-CAM as an atlas of one map. */
export async function effectsOf(attribution) {
  const cam = attribution?.grad_cam;
  return { attribution: attribution ?? null, gradCam: cam ? await decodeAtlas(cam) : null };
}

/** What stays in the tab of an analysis that is not open: the answers as blobs, and the facts of the filmstrip. */
export function closed(bodies) {
  return { bodies, analysis: null, atlases: null, element: null, attribution: null, expectedAttribution: null, gradCam: null, status: "ready" };
}

/** Opens an image that was closed. Its version changes, because its maps are new objects. */
export async function reopen({ bodies, url }) {
  const [first, ...more] = await Promise.all(bodies.map(async (body) => unpack(await body.arrayBuffer())));
  let entry = await open(first, url, bodies.slice(0, 1));
  for (const [i, record] of more.entries()) entry = { ...entry, ...(await extension(record, bodies[i + 1]))(entry) };
  return entry;
}

/** The model and the framing of an analysis, whether there is a choice of part finders, and in words what was found. */
export function factsOf(analysis) {
  const { model, geometry } = analysis;
  return { model: model.name, framing: geometry.framing, hasChoice: hasChoice(analysis), found: foundInWords(analysis) };
}
