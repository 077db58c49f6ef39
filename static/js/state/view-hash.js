// A view as the text of the URL's hash, and back. Only what differs from the default is written.
//
// Reading checks the form of each value. Whether a block, group or class exists depends on the model (see `withoutUnknown`).

import { MAX_PINS } from "./store.js";

const MAX_VALUE = 2000;
const MAX_SHOWN = 40;
const MAX_GROUP = 9999;
const MAX_OFF = 4096;
const NAME = /^[^\p{Cc}]{1,200}$/u;
const BLOCK = /^[\w.-]{1,100}$/;
// A range is written for runs of at least three numbers.
const MIN_RANGE = 3;

const isWhole = (text) => /^\d{1,9}$/.test(text);
const matching = (pattern) => (text) => (pattern.test(text) ? text : undefined);
const oneOf = (...values) => matching(new RegExp(`^(?:${values.join("|")})$`));
const plain = (value) => String(value);

function readWhole(text, max) {
  return isWhole(text) && Number(text) <= max ? Number(text) : undefined;
}

const readIndex = (text) => readWhole(text, 999_999);

function readShare(text) {
  return /^\d(?:\.\d{1,6})?$/.test(text) && Number(text) <= 1 ? Number(text) : undefined;
}

/** `BLOCK:GROUP` as `{block, group}`. */
function readGroup(text) {
  const [block, number, ...rest] = text.split(":");
  const group = readWhole(number ?? "", MAX_GROUP);
  return BLOCK.test(block) && group !== undefined && rest.length === 0 ? { block, group } : undefined;
}

const writeGroup = ({ block, group }) => `${block}:${group}`;

/** `blocks.5.0:20,blocks.5.3:15@4`: the colour of a pin is its position, or stands after `@`. */
function readPins(text) {
  const pins = text.split(",").map((one, i) => {
    const [name, slot = String(i), ...rest] = one.split("@");
    const pin = { ...readGroup(name), slot: readWhole(slot, MAX_PINS - 1) };
    return pin.block && pin.slot !== undefined && rest.length === 0 ? pin : undefined;
  });
  const isGood = pins.length <= MAX_PINS && !pins.includes(undefined) && areDistinct(pins.map(writeGroup)) && areDistinct(pins.map(({ slot }) => slot));
  return isGood ? pins : undefined;
}

const writePins = (pins) => pins.map((pin, i) => (pin.slot === i ? writeGroup(pin) : `${writeGroup(pin)}@${pin.slot}`)).join(",");

const areDistinct = (values) => new Set(values).size === values.length;

/** `3,5-8` as numbers. */
function readNumbers(text) {
  return text.split(",").flatMap((part) => {
    const [first, last] = part.includes("-") ? part.split("-", 2).map((end) => readWhole(end, MAX_GROUP)) : [readWhole(part, MAX_GROUP), readWhole(part, MAX_GROUP)];
    const isGood = first !== undefined && last !== undefined && first <= last && part.split("-").length <= 2;
    return isGood ? Array.from({ length: last - first + 1 }, (_, i) => first + i) : [undefined];
  });
}

function writeNumbers(numbers) {
  const runs = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && last.at(-1) === number - 1) last.push(number);
    else runs.push([number]);
  }
  return runs.map((run) => (run.length < MIN_RANGE ? run.join(",") : `${run[0]}-${run.at(-1)}`)).join(",");
}

/** `blocks.5.0:20,36;blocks.5.3:1-4` as a list of `{block, group}`. */
function readGroups(text) {
  const groups = text.split(";").flatMap((part) => {
    const [block, numbers = "", ...rest] = part.split(":");
    if (!BLOCK.test(block) || rest.length > 0) return [undefined];
    return readNumbers(numbers).map((group) => (group === undefined ? undefined : { block, group }));
  });
  return groups.length <= MAX_OFF && !groups.includes(undefined) && areDistinct(groups.map(writeGroup)) ? groups : undefined;
}

/** Groups as the API and the hash name them, sorted within each block. */
export function writeGroups(groups) {
  const blocks = [...new Set(groups.map(({ block }) => block))];
  const numbersOf = (name) => groups.filter(({ block }) => block === name).map(({ group }) => group);
  return blocks.map((block) => `${block}:${writeNumbers(numbersOf(block))}`).join(";");
}

function readPoint(text) {
  const parts = text.split(",");
  return parts.length === 2 && parts.every((part) => /^\d{1,6}(?:\.\d)?$/.test(part)) ? { x: Number(parts[0]), y: Number(parts[1]) } : undefined;
}

/** Tenths of a pixel. */
const writePoint = ({ x, y }) => [x, y].map((value) => String(Math.round(10 * value) / 10)).join(",");

/** `BLOCK:GROUP:STEP` */
function readTour(text) {
  const [block, group, step, ...rest] = text.split(":");
  const [read, number] = [readGroup(`${block}:${group}`), readWhole(step ?? "", 99)];
  return read && number !== undefined && rest.length === 0 ? { ...read, step: number } : undefined;
}

const writeTour = (tour) => `${writeGroup(tour)}:${tour.step}`;

const field = (key, initial, read, write = plain) => ({ key, initial, read, write });

// For each key of the hash: the key of the view, its default, and how the text is read (undefined: unusable) and written.
const FIELDS = {
  model: field("model", null, matching(NAME)),
  image: field("image", null, matching(NAME)),
  block: field("block", null, matching(BLOCK)),
  pins: field("pins", [], readPins, writePins),
  signal: field("signal", null, oneOf("mask", "similarity")),
  scale: field("scale", "relative", oneOf("relative", "absolute")),
  colormap: field("colormap", "magma", oneOf("magma", "viridis", "cividis", "inferno", "plasma")),
  opacity: field("opacity", 0.85, readShare),
  view: field("view", "parts", oneOf("parts", "groups", "gradcam")),
  sort: field("sort", null, oneOf("effect", "parts", "focus", "energy", "number")),
  framing: field("framing", "whole", oneOf("whole", "center")),
  parts: field("partsBy", "mix", oneOf("mix", "groups")),
  boxes: field("boxes", true, (text) => (text === "0" ? false : undefined), () => "0"),
  target: field("target", null, readIndex),
  expected: field("expected", null, readIndex),
  off: field("off", [], readGroups, writeGroups),
  mode: field("offMode", "zero", oneOf("zero", "only")),
  flat: field("flattened", false, (text) => (text === "1" ? true : undefined), () => "1"),
  point: field("point", null, readPoint, writePoint),
  compare: field("compare", null, matching(NAME)),
  difference: field("difference", false, (text) => (text === "1" ? true : undefined), () => "1"),
  step: field("tour", null, readTour, writeTour),
};

/** The keys of a view: those of the store, and `image`. */
export const VIEW_KEYS = Object.values(FIELDS).map(({ key }) => key);

/** With pins, the view opens with the groups. */
function initialView(pins) {
  return pins.length > 0 ? "groups" : "parts";
}

/** The view of an empty hash. */
export const defaultView = () => Object.fromEntries(Object.values(FIELDS).map(({ key, initial }) => [key, initial]));

/** The hash of a view, without `#`. */
export function writeHash(view) {
  const isDefault = (key, initial) => {
    if (key === "view") return view.view === initialView(view.pins);
    return Array.isArray(view[key]) ? view[key].length === 0 : view[key] === initial;
  };
  return Object.entries(FIELDS)
    .filter(([, { key, initial }]) => !isDefault(key, initial))
    .map(([name, { key, write }]) => `${name}=${encoded(write(view[key]))}`)
    .join("&");
}

/** Percent-encodes all but the separators of lists, so that the link can be read. */
const encoded = (text) => encodeURIComponent(text).replace(/%(?:2C|3A|3B|40)/g, decodeURIComponent);

/**
 * The view of a hash, with the default for every key that is missing or cannot be used.
 *
 * Returns `{view, problems}`; the problems name each unusable key with its value, for a sentence.
 */
export function readHash(hash) {
  const view = defaultView();
  const problems = [];
  let hasView = false;
  for (const part of hash.replace(/^#/, "").split("&").filter(Boolean)) {
    const [name, ...rest] = part.split("=");
    const known = Object.hasOwn(FIELDS, name) ? FIELDS[name] : null;
    const text = decoded(rest.join("="));
    const value = known && text.length <= MAX_VALUE ? known.read(text) : undefined;
    if (value === undefined) problems.push(problem(name, text));
    else view[known.key] = value;
    hasView ||= name === "view" && value !== undefined;
  }
  if (!hasView) view.view = initialView(view.pins);
  return { view, problems };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const shortened = (text) => (text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}\u2026` : text);

/** `opacity \u201cNaN\u201d` */
export const problem = (name, text) => (text === "" ? `\u201c${shortened(name)}\u201d` : `${shortened(name)} \u201c${shortened(text)}\u201d`);

/**
 * Puts the default in place of what an analysed image does not have. Returns `{view, problems}` as `readHash` does.
 *
 * @param classes the number of classes of the model, or null if it is not known
 */
export function withoutUnknown(view, { blocks, geometry }, classes = null) {
  const sizes = new Map(blocks.map(({ name, groups }) => [name, groups]));
  const exists = ({ block, group }) => group < (sizes.get(block) ?? 0);
  const isClass = (index) => classes === null || index < classes;
  const checks = {
    block: (block) => sizes.has(block),
    target: isClass,
    expected: isClass,
    point: ({ x, y }) => x < geometry.image[0] && y < geometry.image[1],
    tour: exists,
  };
  const cleaned = { ...view };
  const problems = [];
  for (const [name, { key, initial, write }] of Object.entries(FIELDS)) {
    const value = view[key];
    if (Array.isArray(value)) {
      cleaned[key] = value.filter(exists);
      const gone = value.filter((group) => !exists(group));
      if (gone.length > 0) problems.push(problem(name, writeGroups(gone)));
    } else if (checks[key] && value !== null && !checks[key](value)) {
      cleaned[key] = initial;
      problems.push(problem(name, write(value)));
    }
  }
  const isImplied = view.view === initialView(view.pins);
  return { view: isImplied ? { ...cleaned, view: initialView(cleaned.pins) } : cleaned, problems };
}
