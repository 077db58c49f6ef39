// The parts (nose, eyes) of an analysis: their faces, names and confidences, and the groups that the part finder reads.

import { percent } from "../format.js";

const NAMES = { nose: "Nose", left_eye: "Left eye", right_eye: "Right eye" };
const ORDER = Object.keys(NAMES);
const KINDS = { nose: ["Nose", "noses"], eye: ["Eye", "eyes"] };
// What the maps of the parts are made of, as `source` of a part map, and as the service and the hash name it.
const CHANNELS_TOO = "groups and channels";
// The largest error of a sum of rounded weights.
const ROUNDING = 1e-3;

/** `nose` or `eye`: the kind of map in which the part was found. */
export const kindOf = ({ name }) => (name.endsWith("_eye") ? "eye" : name);
export const kindName = (kind) => KINDS[kind]?.[0] ?? kind;
export const partName = ({ name }) => NAMES[name] ?? name;

/** Records from before there were faces count all parts as one, and every part as sure. */
export const faceOf = ({ face }) => face ?? 0;
export const isSure = ({ sure }) => sure !== false;

/** The sentence for an image without parts: the finder's own, which says what it was fitted on. */
export function nothingFound({ model, part_maps: maps }) {
  const names = Object.keys(maps ?? {}).map((kind) => (kind === "eye" ? "eyes" : kind));
  return model.no_parts ?? `No ${names.join(" or ")} found.`;
}

/** Whether the model has a part finder; the analysis need not have found a part. */
export const hasFinder = ({ part_maps: maps }) => Object.keys(maps ?? {}).length > 0;

/** The parts by face, the best face first: `{face, parts}`; of each face the nose first, then the left eye. */
export function facesOf({ parts }) {
  return [...new Set(parts.map(faceOf))]
    .sort((a, b) => a - b)
    .map((face) => ({ face, parts: ordered(parts.filter((part) => faceOf(part) === face)) }));
}

/** Sorted by name; where names come twice, the order says which parts belong together. */
function ordered(parts) {
  const areDistinct = new Set(parts.map(({ name }) => name)).size === parts.length;
  return areDistinct ? [...parts].sort((a, b) => ORDER.indexOf(a.name) - ORDER.indexOf(b.name)) : parts;
}

export const hasUnsure = ({ parts }) => !parts.every(isSure);

/** Some parts by kind, in the order of the maps: `{kind, parts}`. */
export function byKind(parts, { part_maps: maps }) {
  return Object.keys(maps ?? {})
    .map((kind) => ({ kind, parts: parts.filter((part) => kindOf(part) === kind) }))
    .filter((found) => found.parts.length > 0);
}

/** The shortest title of parts of one kind: `Nose`, `Left eye`, `Eyes`, `2 noses`. */
export function title({ kind, parts }) {
  if (parts.length === 1) return partName(parts[0]);
  return kind === "eye" && parts.length === 2 ? "Eyes" : `${parts.length} ${KINDS[kind]?.[1] ?? kind}`;
}

/** The confidences of parts of one kind: `97 %`, or `97 and 60 %`. */
export function scores(parts) {
  const written = parts.map(({ score }) => percent(score).replace(" %", ""));
  return `${written.length > 1 ? `${written.slice(0, -1).join(", ")} and ` : ""}${written.at(-1)} %`;
}

const inShort = (part) => `${isSure(part) ? "" : "unsure "}${percent(part.score)}`;

/** A part in words: `left eye of face 2, confidence 0.83`, and that it is unsure. A single face has no number. */
export function partInWords(part, faces) {
  const face = faces > 1 ? ` of face ${faceOf(part) + 1}` : "";
  return `${partName(part).toLowerCase()}${face}, confidence ${part.score.toFixed(2)}${isSure(part) ? "" : ", unsure"}`;
}

/** All parts as text, for screen readers: `face 1: nose 97 %, left eye unsure 31 %; face 2: \u2026`. */
export function describeParts(analysis) {
  const faces = facesOf(analysis);
  const words = ({ parts }) => parts.map((part) => `${partName(part).toLowerCase()} ${inShort(part)}`).join(", ");
  return faces.map((each) => (faces.length > 1 ? `face ${each.face + 1}: ${words(each)}` : words(each))).join("; ");
}

/** The face of the part at a position in pixels of the image, or null. */
export function faceAt({ parts }, { x, y }) {
  const reach = ({ box }) => Math.max(box[2] - box[0], box[3] - box[1]) / 2;
  const near = parts.map((part) => ({ face: faceOf(part), distance: Math.hypot(part.x - x, part.y - y) / reach(part) })).filter(({ distance }) => distance <= 1);
  return near.sort((a, b) => a.distance - b.distance)[0]?.face ?? null;
}

/** Whether the model finds parts by groups and channels and by groups alone, so that there is a choice. */
export const hasChoice = ({ model: { part_finders: finders } }) => (finders ?? []).length > 1;

/** What the parts of an analysis were found by: `mix` or `groups`; see `FINDER_NAMES`. */
export const foundBy = ({ part_maps: maps }) => (Object.values(maps)[0]?.source === CHANNELS_TOO ? "mix" : "groups");

export const FINDER_NAMES = { mix: CHANNELS_TOO, groups: "groups alone" };

const shareOf = (terms) => terms.reduce((sum, { weight }) => sum + weight, 0);

/** Whether the listed groups are the whole weighted sum, as of a sparse readout; else they are those with the largest positive weights. */
export const isWhole = ({ part_maps: maps }, kind) => foundBy({ part_maps: maps }) === "groups" && shareOf(maps[kind].terms) > 1 - ROUNDING;

/** What the listed groups of a part are, in words. */
export function listedInWords(analysis, kind) {
  const { terms } = analysis.part_maps[kind];
  const blocks = new Set(terms.map(({ block }) => block)).size;
  const counts = `${terms.length} ${terms.length === 1 ? "group" : "groups"} of ${blocks} ${blocks === 1 ? "block" : "blocks"}`;
  return isWhole(analysis, kind) ? counts : `${counts}, with ${percent(shareOf(terms))} of the positive weights of groups`;
}

/** How the parts are found and what the numbers at their groups are: sentences. */
export function finderInWords(analysis) {
  if (Object.keys(analysis.part_maps).every((kind) => isWhole(analysis, kind))) {
    return "Each part is found by a weighted sum of groups, fitted once on labelled photos; the number is a group\u2019s share of the weights.";
  }
  const sum = foundBy(analysis) === "mix" ? "groups and single channels" : "groups alone";
  return `Each part is found by a weighted sum of ${sum}, fitted once on labelled photos. Listed are the groups with the largest positive weights, not the whole sum; the number is a group\u2019s share of all positive weights of groups.`;
}

/** The weights of a group for each part that lists it: `{kind, share}`; the share is in words. */
export function weightsOf(analysis, { block, group }) {
  return Object.entries(analysis.part_maps ?? {}).flatMap(([kind, { terms }]) =>
    terms.filter((term) => term.block === block && term.group === group).map(({ weight }) => ({ kind, share: shareInWords(analysis, kind, weight) })),
  );
}

function shareInWords(analysis, kind, weight) {
  return `${percent(weight)} of the ${isWhole(analysis, kind) ? `${kind} readout` : `positive weights for the ${kind}`}`;
}

/** For each part, how many of its listed groups are in a block: `{kind, count, words}`. */
export function countsIn(analysis, block) {
  return Object.entries(analysis.part_maps ?? {}).map(([kind, { terms }]) => {
    const count = terms.filter((term) => term.block === block).length;
    const words = isWhole(analysis, kind) ? `${count} in the ${kind} readout` : `${count} of the ${terms.length} groups listed for the ${kind}`;
    return { kind, count, words };
  });
}
