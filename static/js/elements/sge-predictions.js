// The five best classes with what is switched off, the classes that are chosen, and a description of the model.

import { make } from "../dom.js";
import { boxesOf, hasClasses, nothingInWords } from "../state/boxes.js";
import { hasGroups } from "../state/effect.js";
import { chooseTarget, labelOf } from "../state/effect-order.js";
import { hasSimilarity } from "../state/positions.js";
import { boxList } from "./box-list.js";
import { PredictionRow } from "./prediction-row.js";
import "./sge-ablation.js";
import "./sge-notes.js";
import "./sge-targets.js";
import { StoreElement } from "./store-element.js";

const WITH_SIMILARITY =
  "Its SGE gates are inactive: they were inserted into a finished network and do not change its output. The maps show similarity: where the features of a group agree with the group\u2019s mean.";
const WITH_MASKS = "Its SGE gates are active: the maps show the masks, the factors by which the network multiplies each group.";
const WITHOUT_SGE = "It has another attention module than SGE: the maps show its spatial map, the factors by which the network multiplies its features.";
const ONLY_MASKS = "Somebody else made its file: the maps show the masks that it gives, from 0 to 1.";
// Classes that come into view because of what is switched off; their room is kept free.
const MAX_RISEN = 2;

class Predictions extends StoreElement {
  static keys = ["images", "current", "target", "expected", "ablation"];

  build() {
    this.rows = new Map();
    this.heading = make("h2", { class: "visually-hidden" }, "Predicted classes");
    this.noClasses = make("p", { class: "no-classes", "data-testid": "no-classes", hidden: true });
    this.boxes = make("div");
    this.none = make("p", { class: "no-fit", "data-testid": "no-fit", hidden: true });
    this.list = make("ol", { class: "predictions", "data-testid": "predictions" });
    this.risen = make("ol", { class: "predictions risen", "data-testid": "risen", "aria-label": "Classes that come into view" });
    this.about = make("p", { class: "about" });
    this.more = make("button", { type: "button", class: "plain more", "aria-expanded": "false", onclick: () => this.toggleAbout() }, "More");
    this.below = make("div", { class: "below-list" }, make("div", { class: "about-box" }, this.about, this.more), this.risen);
    this.replaceChildren(this.heading, this.none, this.noClasses, this.boxes, this.list, make("sge-notes"), make("sge-targets"), make("sge-ablation"), this.below);
  }

  draw() {
    const { image } = this.store;
    if (!image) return;
    const { predictions, fit } = image.analysis;
    this.drawBoxes(image);
    const hasNoFit = fit?.fits === false;
    this.none.hidden = !hasNoFit;
    this.none.replaceChildren(...(hasNoFit ? [make("b", {}, fit.sentence), make("span", {}, "Closest:")] : []));
    this.list.classList.toggle("closest", hasNoFit);
    if (this.version !== image.version) this.rows.clear();
    this.version = image.version;
    const measured = new Map((this.result?.classes ?? []).map((each) => [each.index, each]));
    this.fill(this.list, [...predictions, ...this.chosenOutside(measured)], measured);
    const risen = this.risenClasses(measured);
    this.fill(this.risen, risen, measured);
    this.below.classList.toggle("has-risen", risen.length > 0);
    this.classList.toggle("waiting", this.store.state.ablation.status === "waiting");
    this.describeModel(image.analysis);
  }

  /** The boxes in place of the classes, and a sentence where there are neither. */
  drawBoxes({ analysis, version }) {
    const [withClasses, count] = [hasClasses(analysis), boxesOf(analysis).length];
    const showsBoxes = !withClasses && (count > 0 || analysis.is_detector);
    this.heading.textContent = showsBoxes ? "Boxes" : "Predicted classes";
    this.list.hidden = !withClasses;
    this.noClasses.hidden = withClasses || count > 0;
    this.noClasses.textContent = nothingInWords(analysis);
    if (this.version === version) return;
    this.store.set({ markedBox: null });
    this.boxes.replaceChildren(...boxList(this.store));
  }

  /** The measurement of what is off, if it belongs to the current image. */
  get result() {
    const { ablation } = this.store.state;
    return ablation.image === this.store.image.version ? ablation.result : null;
  }

  /** Draws a row for each prediction. A row that is there already keeps its element, so that its bar slides. */
  fill(list, predictions, measured) {
    const canChoose = !this.store.state.offline && hasGroups(this.store.image);
    const items = predictions.map((prediction) => {
      const key = `${list === this.list}${prediction.index}`;
      if (!this.rows.has(key)) this.rows.set(key, new PredictionRow(canChoose ? (index) => chooseTarget(this.store, index) : null));
      const row = this.rows.get(key);
      row.update(prediction, measured.get(prediction.index) ?? null, this.roleOf(prediction.index));
      return row.root;
    });
    if (items.length !== list.children.length || items.some((item, i) => item !== list.children[i])) list.replaceChildren(...items);
  }

  roleOf(index) {
    if (!hasGroups(this.store.image)) return null;
    if (index === this.store.target) return "target";
    return index === this.store.expected ? "expected" : null;
  }

  /** The target and the expected class, where they are not among the five best. */
  chosenOutside(measured) {
    const { image, target, expected } = this.store;
    const five = new Set(image.analysis.predictions.map(({ index }) => index));
    const known = [image.attribution?.target, image.expectedAttribution?.target];
    return [target, expected]
      .filter((index) => index !== null && !five.has(index))
      .map((index) => known.find((each) => each?.index === index) ?? { index, label: labelOf(this.store, index), score: measured.get(index)?.before ?? null });
  }

  /** The classes that what is switched off brings among the five best. */
  risenClasses(measured) {
    const { predictions } = this.store.image.analysis;
    const listed = new Set([...predictions.map(({ index }) => index), this.store.target, this.store.expected]);
    const fifth = [...measured.values()].map(({ after }) => after).sort((a, b) => b - a)[predictions.length - 1] ?? 1;
    return [...measured.values()]
      .filter(({ index, after, before }) => !listed.has(index) && after >= fifth && after > before)
      .sort((a, b) => b.after - a.after)
      .slice(0, MAX_RISEN)
      .map(({ index, label, before }) => ({ index, label, score: before }));
  }

  describeModel(analysis) {
    const { model } = analysis;
    const text = [model.title, model.sentence, describeMaps(analysis)].join();
    if (text === this.described) return;
    this.described = text;
    this.about.replaceChildren(make("strong", {}, model.title), " ", make("span", { "data-testid": "gates" }, describeMaps(analysis)), ` ${model.sentence}`);
  }

  toggleAbout() {
    const isOpen = this.below.classList.toggle("open");
    this.more.textContent = isOpen ? "Less" : "More";
    this.more.setAttribute("aria-expanded", String(isOpen));
  }
}

function describeMaps({ blocks, model: { gates }, signal }) {
  if (!hasSimilarity({ blocks })) return ONLY_MASKS;
  if (gates === "none") return WITHOUT_SGE;
  return signal === "similarity" ? WITH_SIMILARITY : WITH_MASKS;
}

customElements.define("sge-predictions", Predictions);
