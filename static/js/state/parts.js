// The parts (nose, eyes) of an analysis: their names, scores, and the groups that each part finder reads.

import { percent } from "../format.js";

const NAMES = { nose: "Nose", left_eye: "Left eye", right_eye: "Right eye" };
const KINDS = { nose: ["Nose", "noses"], eye: ["Eye", "eyes"] };


/** `nose` or `eye`: the kind of map in which the part was found. */
export const kindOf = ({ name }) => (name.endsWith("_eye") ? "eye" : name);
export const kindName = (kind) => KINDS[kind]?.[0] ?? kind;

/** The sentence for an image without parts: the finder's own, which says what it was fitted on. */
export function nothingFound({ model, part_maps: maps }) {
  const names = Object.keys(maps ?? {}).map((kind) => (kind === "eye" ? "eyes" : kind));
  return model.no_parts ?? `No ${names.join(" or ")} found.`;
}

/** Whether the model has a part finder; the analysis need not have found a part. */
export const hasFinder = ({ part_maps: maps }) => Object.keys(maps ?? {}).length > 0;

/** Whether the parts are one left and one right eye. */
const isPair = (parts) => parts.length === 2 && parts.some(({ name }) => name === "left_eye") && parts.some(({ name }) => name === "right_eye");

/** Sorts by score, highest first; a pair of eyes is sorted left, right. */
function ordered(parts) {
  return [...parts].sort(isPair(parts) ? (a, b) => a.name.localeCompare(b.name) : (a, b) => b.score - a.score);
}

/** The parts that were found, by kind: `{kind, parts}`, in the order of the maps. */
export function partsByKind({ parts, part_maps: maps }) {
  return Object.keys(maps ?? {})
    .map((kind) => ({ kind, parts: ordered(parts.filter((part) => kindOf(part) === kind)) }))
    .filter((found) => found.parts.length > 0);
}

/** The shortest title: `Nose`, `Left eye`, `Eyes`, `2 noses`. */
export function title({ kind, parts }) {
  if (parts.length === 1) return NAMES[parts[0].name] ?? kindName(kind);
  return isPair(parts) ? "Eyes" : `${parts.length} ${KINDS[kind]?.[1] ?? kind}`;
}

/** The scores as the legend shows them: `97 %`, or `97, 88 and 60 %`. */
export function scores(parts) {
  const written = parts.map(({ score }) => percent(score).replace(" %", ""));
  return `${written.length > 1 ? `${written.slice(0, -1).join(", ")} and ` : ""}${written.at(-1)} %`;
}

/** All parts and scores as text, for screen readers. */
export function describeParts(analysis) {
  return partsByKind(analysis)
    .flatMap(({ parts }) => parts)
    .map((part) => `${(NAMES[part.name] ?? part.name).toLowerCase()} ${percent(part.score)}`)
    .join(", ");
}

/** The weights of a group in the readouts: `{kind, weight}`. */
export function weightsOf({ part_maps: maps }, { block, group }) {
  return Object.entries(maps ?? {}).flatMap(([kind, { terms }]) =>
    terms.filter((term) => term.block === block && term.group === group).map(({ weight }) => ({ kind, weight })),
  );
}

/** For each readout, the number of its groups in a block: `{kind, count}`. */
export function countsIn({ part_maps: maps }, block) {
  return Object.entries(maps ?? {}).map(([kind, { terms }]) => ({ kind, count: terms.filter((term) => term.block === block).length }));
}
