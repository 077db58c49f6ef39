// One class of the predictions: its label, a bar that slides when something is switched off, and the change.

import { make } from "../dom.js";
import { percent, pointsOf, range } from "../format.js";

// The narrowest bar, in percent of the track.
const MIN_BAR = 0.5;

/** Whether a probability was divided by a temperature: then the raw one differs. */
const isRescaled = ({ score, raw_score: raw }) => raw != null && percent(raw) !== percent(score);

/** A list item for a class. It stays in the document while its values change, so that the bar slides. */
export class PredictionRow {
  /** @param onChoose is called when the class is chosen, or null where it cannot be */
  constructor(onChoose) {
    this.fill = make("span", { class: "fill" });
    this.band = make("span", { class: "band", hidden: true });
    this.tick = make("span", { class: "tick", hidden: true });
    this.label = make("span", { class: "label" });
    this.percent = make("span", { class: "percent" });
    this.change = make("span", { class: "change" });
    this.random = make("span", { class: "random" });
    this.raw = make("span", { class: "raw" });
    const children = [
      this.label,
      make("span", { class: "track", "aria-hidden": "true" }, this.band, this.fill, this.tick),
      this.change,
      this.percent,
      make("span", { class: "under" }, this.raw, this.random),
    ];
    this.row = onChoose ? make("button", { type: "button", class: "row", onclick: () => onChoose(this.index) }, ...children) : make("div", { class: "row" }, ...children);
    this.root = make("li", {}, this.row);
  }

  /**
   * @param prediction `{label, index, score, raw_score}`, as predicted; the score may be unknown (null)
   * @param measured `{before, after, controls}` of the class while something is off, or null
   * @param role "target", "expected" or null
   */
  update(prediction, measured, role) {
    this.index = prediction.index;
    this.root.dataset.class = prediction.index;
    this.label.textContent = prediction.label;
    this.label.title = prediction.label;
    this.label.style.setProperty("--letters", prediction.label.length);
    const score = measured ? measured.after : prediction.score;
    this.percent.textContent = score === null ? "\u2013" : percent(score);
    this.fill.style.width = `${Math.max(100 * (score ?? 0), MIN_BAR)}%`;
    this.change.textContent = measured ? pointsOf(measured.after - measured.before) : "";
    this.change.classList.toggle("falls", measured !== null && measured.after < measured.before);
    this.updateControls(measured);
    this.updateRaw(prediction, measured);
    this.root.classList.toggle("chosen", role !== null);
    this.root.dataset.role = role ?? "";
    if (this.row.localName !== "button") return;
    this.row.setAttribute("aria-pressed", String(role !== null));
    this.row.title = role === "target" ? "The effects of groups on this class are shown" : `Show the effects of groups on ${prediction.label}`;
  }

  updateControls(measured) {
    const controls = measured?.controls?.values?.length > 0 ? measured.controls : null;
    this.band.hidden = !controls;
    this.tick.hidden = !measured;
    this.random.textContent = controls ? `random groups: ${range(controls.lo, controls.hi)}` : "";
    if (measured) this.tick.style.left = `${100 * measured.before}%`;
    if (!controls) return;
    Object.assign(this.band.style, { left: `${100 * controls.lo}%`, width: `${Math.max(100 * (controls.hi - controls.lo), MIN_BAR)}%` });
  }

  updateRaw(prediction, measured) {
    const shown = isRescaled(prediction) && !measured;
    this.raw.textContent = isRescaled(prediction) ? `${percent(prediction.raw_score)} before calibration` : "";
    this.raw.title = "The softmax of the logits, before the temperature that makes probabilities match the measured accuracy";
    if (shown) this.change.replaceChildren(make("span", { class: "raw-short", title: this.raw.title }, `raw ${percent(prediction.raw_score)}`));
  }
}
