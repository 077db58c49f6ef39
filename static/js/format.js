// Writes numbers and the names of blocks and groups as the page shows them.

// Numbers of decimals of the ends of a colour bar; maps and differences may cover very small ranges.
const DIGITS = [2, 3, 4, 5, 6, 7, 8];

/** A number with two decimals (or `digits`) and a real minus sign, which a rounded 0 has not. */
export function number(value, digits = 2) {
  return value.toFixed(digits).replace(/^-(0(\.0+)?)$/, "$1").replace("-", "\u2212");
}

/** A number with three significant digits, or 0 where it is next to nothing. */
export function significant(value) {
  if (Math.abs(value) < 1e-4) return "0";
  const digits = Math.max(0, Math.min(5, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return number(value, digits);
}

/** A number with its sign, also in front of positive ones. */
export function signed(value, digits = 2) {
  return value > 0 && Number(value.toFixed(digits)) !== 0 ? `+${number(value, digits)}` : number(value, digits);
}

/** The difference of two shares in percentage points, with its sign: `\u221290 %`. */
export function pointsOf(difference) {
  const points = 100 * difference;
  if (Math.abs(points) < 0.05) return "\u00b10 %";
  return `${signed(points, Math.abs(points) < 9.95 ? 1 : 0)} %`;
}

/** How many decimals tell the ends of a range apart: at least two. */
export const digitsBetween = (low, high) => DIGITS.find((digits) => number(low, digits) !== number(high, digits)) ?? DIGITS[0];

/** The ends of a range, with as many decimals as tell them apart. */
export const ends = (low, high) => [low, high].map((value) => number(value, digitsBetween(low, high)));

/** Two shares as a range: `95 to 97 %`. */
export function range(low, high) {
  const [from, to] = [percent(low), percent(high)];
  return from === to ? to : `${from.replace(" %", "")} to ${to}`;
}

/** A share as a percentage: whole percent, and one decimal below 10 % and next to 100 %, which only a whole reaches. */
export function percent(share) {
  if (share > 0 && share < 0.0005) return "< 0.1 %";
  if (share >= 0.9995 && share < 1) return "> 99.9 %";
  const hasDecimal = share < 0.0995 || (share >= 0.995 && share < 1);
  return `${(100 * share).toFixed(hasDecimal ? 1 : 0)} %`;
}

/** `blocks.5.3` as `5.3`, `layer3.5` as `3.5`, a detector's `backbone.body.layer3.5` too. */
export function shortBlockName(block) {
  return block.replace(/^(backbone\.(body\.)?)?(blocks\.|layer|features\.)?/, "");
}

/** `Block 5.0 · group 55` */
export function groupName({ block, group }) {
  return `Block ${shortBlockName(block)} \u00b7 group ${group}`;
}

/** `5.0·g55`, where there is little room: on tiles and chips. */
export function shortGroupName({ block, group }) {
  return `${shortBlockName(block)}\u00b7g${group}`;
}

/** A group's two measures in words; a file that somebody else made has no energy. */
export function focusAndEnergy({ focus, energy }, { block, group }) {
  const share = energy[block] ? `, energy ${percent(energy[block][group])}` : "";
  return `focus ${number(focus[block][group])}${share}`;
}
