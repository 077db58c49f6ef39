// The boxes of a detector, and what is said of an analysis without classes.

import { percent } from "../format.js";

// The best boxes; more would hide the image and each other.
export const MAX_BOXES = 30;
// Of the best box's score; detectors also give boxes that they hardly believe in.
const LEAST_SHARE = 0.25;
const NO_CLASSES = "No classes: the model gives none for an image.";
const NO_BOXES = "No boxes: the detector found nothing in this image.";

/** The boxes of an analysis, best first. Records from before there were boxes have none. */
export const boxesOf = ({ boxes }) => boxes ?? [];

/** Whether the score of the box at a position is not far below the best: others are drawn only while they are emphasized. */
export const isLikely = ({ boxes }, i) => boxes[i].score >= LEAST_SHARE * boxes[0].score;

/** Whether the model gives scores of classes, which groups can change. */
export const hasClasses = ({ predictions }) => predictions.length > 0;

/** The best class, else the number of boxes and the best one, else that there are none: one line. */
export function foundInWords(analysis) {
  const [best] = analysis.predictions;
  if (best) return `${best.label}, ${percent(best.score)}`;
  const boxes = boxesOf(analysis);
  if (boxes.length === 0) return analysis.is_detector ? "no boxes" : "no classes";
  return `${boxes.length} ${boxes.length === 1 ? "box" : "boxes"}, best ${boxInWords(boxes[0])}`;
}

/** What is said in place of classes and boxes where there are neither. */
export const nothingInWords = ({ is_detector: isDetector }) => (isDetector ? NO_BOXES : NO_CLASSES);

/** `dog 87 %` */
export const boxInWords = ({ label, score }) => `${label} ${percent(score)}`;

/** Where a box lies, in words. */
export function positionInWords({ x, y, width, height }) {
  const [left, top, across, down] = [x, y, width, height].map(Math.round);
  return `${across} \u00d7 ${down} px, ${left} px from the left and ${top} px from the top`;
}
