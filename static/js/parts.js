// Nose and eyes: what was found, how it is called, in which colours, and which groups it comes from.

import { make, percent } from "./dom.js";

/** Warm and cool, told apart by every kind of eye, and neither a pin's. */
export const PART_COLOURS = { nose: "#ff7d1a", eye: "#16d5e0" };
const NAMES = { nose: "Nose", left_eye: "Left eye", right_eye: "Right eye" };
const KINDS = { nose: ["Nose", "noses"], eye: ["Eye", "eyes"] };

export const NO_FACE = "No face found here.";

/** `nose` or `eye`: the map that a part was found in. */
export const kindOf = ({ name }) => (name.endsWith("_eye") ? "eye" : name);
export const colourOfKind = (kind) => PART_COLOURS[kind] ?? PART_COLOURS.nose;
export const kindName = (kind) => KINDS[kind]?.[0] ?? kind;

/** A dot in the kind's colour, as in the legend and on the tiles. */
export function dot(kind) {
  const one = make("i", { class: "part-dot", "aria-hidden": "true" });
  one.style.background = colourOfKind(kind);
  return one;
}

/** Whether the model looks for parts; it need not have found one. */
export const hasFinder = ({ part_maps: maps }) => Object.keys(maps ?? {}).length > 0;

/** One face's two eyes, and no other. */
const isPair = (parts) => parts.length === 2 && parts.some(({ name }) => name === "left_eye") && parts.some(({ name }) => name === "right_eye");

/** The surest first; but a pair as it is seen, left and right. */
function ordered(parts) {
  return [...parts].sort(isPair(parts) ? (a, b) => a.name.localeCompare(b.name) : (a, b) => b.score - a.score);
}

/** What was found, by kind: `{kind, parts}`, in the order of the maps. */
export function partsByKind({ parts, part_maps: maps }) {
  return Object.keys(maps ?? {})
    .map((kind) => ({ kind, parts: ordered(parts.filter((part) => kindOf(part) === kind)) }))
    .filter((found) => found.parts.length > 0);
}

/** `Nose`, `Left eye`, `Eyes`, `2 noses`: as short as it can be said. */
export function title({ kind, parts }) {
  if (parts.length === 1) return NAMES[parts[0].name] ?? kindName(kind);
  return isPair(parts) ? "Eyes" : `${parts.length} ${KINDS[kind]?.[1] ?? kind}`;
}

/** Scores as in the legend: `97 %`, or `97, 88 and 60 %`. */
export function scores(parts) {
  const written = parts.map(({ score }) => percent(score).replace(" %", ""));
  return `${written.length > 1 ? `${written.slice(0, -1).join(", ")} and ` : ""}${written.at(-1)} %`;
}

/** All of it as a sentence, for those who cannot see the picture. */
export function spoken(analysis) {
  return partsByKind(analysis)
    .flatMap(({ parts }) => parts)
    .map((part) => `${(NAMES[part.name] ?? part.name).toLowerCase()} ${percent(part.score)}`)
    .join(", ");
}

/** The mixes that a group belongs to: `{kind, weight}`. */
export function mixesOf({ part_maps: maps }, { block, group }) {
  return Object.entries(maps ?? {}).flatMap(([kind, { mix }]) =>
    mix.filter((share) => share.block === block && share.group === group).map(({ weight }) => ({ kind, weight })),
  );
}

/** How many groups of a block belong to each mix: `{kind, count}`. */
export function countsIn({ part_maps: maps }, block) {
  return Object.entries(maps ?? {}).map(([kind, { mix }]) => ({ kind, count: mix.filter((share) => share.block === block).length }));
}
