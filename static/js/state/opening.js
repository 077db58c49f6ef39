// Opens an analysis for drawing, and closes it again, so that many images fit into the tab's memory.

import { decodeAtlas } from "./atlas.js";
import { loadImage } from "./decoded-image.js";

let serial = 0;

/** An analysis with its maps decoded and its image loaded; `url` is that of the decoded image, or null without one. */
export async function open(analysis, url) {
  const decoded = async (records) =>
    new Map(await Promise.all(Object.entries(records).map(async ([name, record]) => [name, await decodeAtlas(record)])));
  const [mask, similarity, parts, effects, element] = await Promise.all([
    decoded(analysis.masks),
    decoded(analysis.similarity),
    decoded(analysis.part_maps ?? {}),
    effectsOf(analysis.attribution),
    loadImage(url),
  ]);
  serial += 1;
  return { url, element, analysis, atlases: { mask, similarity, parts }, ...effects, expectedAttribution: null, version: serial, status: "ready" };
}

/** What an entry keeps of an answer of `/attribute`: the effects on one class, and its Grad-CAM as an atlas of one map. */
export async function effectsOf(attribution) {
  const cam = attribution?.grad_cam;
  return { attribution: attribution ?? null, gradCam: cam ? await decodeAtlas(cam) : null };
}

/** What stays in the tab of an analysis that is not open: its record as a blob, and the facts of the filmstrip. */
export function close(analysis) {
  const record = new Blob([JSON.stringify(analysis)], { type: "application/json" });
  return { record, analysis: null, atlases: null, element: null, attribution: null, expectedAttribution: null, gradCam: null, status: "ready" };
}

/** Opens an image that was closed. Its version changes, because its maps are new objects. */
export async function reopen({ record, url }) {
  return { ...(await open(JSON.parse(await record.text()), url)), record: null };
}

/** The model, the framing and the best class of an analysis. */
export function factsOf({ model, geometry, predictions }) {
  return { model: model.name, framing: geometry.framing, best: predictions[0] };
}
