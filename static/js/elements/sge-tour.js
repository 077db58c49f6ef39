// The tour: a button, and a dialog that shows in six steps how the mask of the shown group is made from its features.

import { RequestError } from "../api.js";
import { make } from "../dom.js";
import { groupName } from "../format.js";
import { endTour, goTo, startTour, STEPS, stepsOf, strongestCell } from "../state/tour.js";
import { store } from "../state/store.js";
import { icon } from "./icon.js";
import { StoreElement } from "./store-element.js";
import { bars, distribution } from "./tour-charts.js";
import { cellUnder, channelMaps, mapOverPhoto, scaleBar } from "./tour-maps.js";
import { textOf } from "./tour-text.js";

// Six steps of this length make a minute.
const STEP_MS = 10_000;
const KEY_STEPS = { ArrowRight: 1, ArrowLeft: -1 };
const CELL_STEPS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
const prefersStill = matchMedia("(prefers-reduced-motion: reduce)");

class Tour extends StoreElement {
  static keys = ["tour", "images", "current", "colormap"];

  build() {
    const button = (name, label, action, ...faces) => make("button", { type: "button", "data-tour": name, "aria-label": label, title: label, onclick: action }, ...faces);
    this.open = button("open", "Tour: in one minute, how the mask of the shown group is made from this image", () => this.start(), "Tour");
    this.heading = make("h2", { id: "tour-heading" });
    this.slider = make("input", { type: "range", min: 0, max: STEPS.length - 1, step: 1, name: "tour-step", "aria-label": "Step", oninput: () => this.move(Number(this.slider.value)) });
    // The range input is the control for keyboards and screen readers; its labels can be clicked too.
    this.labels = STEPS.map(({ name }, step) => make("span", { onclick: () => this.move(step) }, name));
    this.play = button("play", "", () => this.setPlaying(!this.isPlaying));
    this.previous = button("previous", "Previous step (\u2190)", () => this.move(this.step - 1), icon("previous"));
    this.next = button("next", "Next step (\u2192)", () => this.move(this.step + 1), icon("next"));
    this.maps = make("div", { class: "tour-maps", tabindex: "0", role: "group", "aria-label": "Maps of this step. Arrow keys mark another cell.", onclick: (event) => this.mark(this.cellAt(event)), onkeydown: (event) => this.moveMark(event) });
    this.words = make("div", { class: "tour-words", "aria-live": "polite" });
    const close = button("close", "Close the tour (Esc)", () => this.dialog.close(), icon("close"));
    this.dialog = make(
      "dialog",
      { class: "tour", "aria-labelledby": this.heading.id, onclose: () => this.end(), onkeydown: (event) => this.handleKey(event) },
      make("div", { class: "tour-head" }, this.heading, close),
      make("div", { class: "scrubber" }, make("div", { class: "scrubber-buttons" }, this.previous, this.play, this.next), make("div", { class: "scrubber-line" }, this.slider, make("div", { class: "scrubber-labels", "aria-hidden": "true" }, ...this.labels))),
      make("div", { class: "tour-body" }, this.maps, this.words),
    );
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.replaceChildren(this.open, this.dialog);
  }

  get step() {
    // A link may name any step.
    return Math.min(STEPS.length - 1, store.state.tour?.step ?? 0);
  }

  start() {
    startTour();
    this.setPlaying(true);
  }

  end() {
    this.setPlaying(false);
    endTour();
  }

  /** Goes to a step at the visitor's wish, which ends the playing. */
  move(step) {
    this.setPlaying(false);
    goTo(step);
  }

  /** Plays from here on, a step at a time; never where reduced motion is preferred. */
  setPlaying(isPlaying) {
    this.isPlaying = isPlaying && !prefersStill.matches;
    clearTimeout(this.timer);
    if (this.isPlaying) this.timer = setTimeout(() => this.advance(), STEP_MS);
    const label = this.isPlaying ? "Pause" : "Play the steps, ten seconds each";
    this.play.replaceChildren(icon(this.isPlaying ? "pause" : "play"));
    this.play.title = label;
    this.play.setAttribute("aria-label", label);
    this.play.hidden = prefersStill.matches;
  }

  advance() {
    goTo(this.step + 1);
    this.setPlaying(this.step < STEPS.length - 1);
  }

  draw() {
    const { image } = store;
    const { tour } = store.state;
    // Other attention modules have no groups with a mean, and exported models do not give the steps.
    this.hidden = image?.analysis.model.gates === "none" || image?.analysis.can?.steps === false;
    if (this.hidden && tour) return store.set({ tour: null, note: "This model has no tour: it does not give the steps of a mask." });
    this.open.disabled = !image;
    if (!tour || !image) {
      if (this.dialog.open) this.dialog.close();
      return;
    }
    if (!this.dialog.open) {
      this.dialog.showModal();
      this.slider.focus();
      this.setPlaying(this.isPlaying ?? false);
    }
    this.heading.textContent = `How ${groupName(tour)} makes its mask, on ${image.sample?.title ?? image.name}`;
    this.drawScrubber(this.step);
    this.load(image, tour);
  }

  drawScrubber(step) {
    this.slider.value = step;
    this.slider.setAttribute("aria-valuetext", `${step + 1} of ${STEPS.length}: ${STEPS[step].name}`);
    this.labels.forEach((label, i) => label.classList.toggle("current", i === step));
    this.previous.setAttribute("aria-disabled", String(step === 0));
    this.next.setAttribute("aria-disabled", String(step === STEPS.length - 1));
  }

  /** Fetches the arrays, once for each group and image, and shows the step. */
  async load(image, { block, group }) {
    const key = [image.key, image.version, block, group].join();
    if (key === this.loaded) return this.show(image);
    this.loaded = null;
    this.fill([make("p", { class: "quiet" }, "Computing the steps \u2026")]);
    let steps;
    try {
      steps = await stepsOf(image, { block, group });
    } catch (error) {
      if (!(error instanceof RequestError)) console.error(error);
      const text = error instanceof RequestError ? error.message : "The steps could not be shown.";
      const retry = make("button", { type: "button", "data-tour": "retry", onclick: () => this.draw() }, "Try again");
      if (store.state.tour) this.fill([make("p", { class: "tour-error", role: "alert" }, text), retry]);
      this.setPlaying(false);
      return;
    }
    const { tour } = store.state;
    if (!tour || tour.block !== block || tour.group !== group || store.image !== image) return;
    Object.assign(this, { loaded: key, steps, cell: strongestCell(steps.similarity) });
    this.show(image);
  }

  fill(words, maps = []) {
    this.words.replaceChildren(...words);
    this.maps.replaceChildren(...maps);
  }

  show(image) {
    const { steps, step, cell } = this;
    const block = image.analysis.blocks.find(({ name }) => name === steps.block);
    const { text, formula, numbers } = textOf(step, steps, block, cell);
    const { name, eq } = STEPS[step];
    const title = make("h3", {}, `${step + 1}. ${name} `, eq ? make("span", { class: "eq" }, `${eq} of the paper`) : null);
    const formulas = make("p", { class: "formula" }, make("span", {}, formula), numbers ? make("span", { "data-testid": "tour-numbers" }, numbers) : null);
    this.fill([title, make("p", {}, text), formulas, this.chart(step)], this.mapsOf(image, step));
  }

  chart(step) {
    const { steps, cell } = this;
    const atCell = (atlas) => Array.from({ length: atlas.groups }, (_, channel) => atlas.value(channel, cell.row, cell.col));
    const x = { name: "x at the marked cell", values: atCell(steps.features), kind: "first" };
    const mean = { name: "mean g", values: steps.mean, kind: "second" };
    if (step === 0) return bars([x]);
    if (step === 1) return bars([mean]);
    if (step === 2) return bars([x, mean]);
    if (step === 5) return bars([x, { name: "output", values: atCell(steps.output), kind: "second" }]);
    return distribution(steps.similarity, cell, step === 4 ? steps : null);
  }

  mapsOf(image, step) {
    const { steps, cell } = this;
    const { colormap } = store.state;
    const limits = [Math.min(0, steps.features.lo), steps.features.hi];
    const atCell = (atlas) => Array.from({ length: atlas.groups }, (_, channel) => atlas.value(channel, cell.row, cell.col));
    const channels = (atlas, notes, name) => [channelMaps(atlas, limits, notes, colormap, cell), scaleBar(name, limits, colormap, false)];
    const single = (atlas, ends, name) => [mapOverPhoto(image, atlas, ends, colormap, cell), scaleBar(name, ends, colormap, true)];
    if (step === 0) return channels(steps.features, atCell(steps.features), "features; below each map: its marked cell");
    if (step === 1) return channels(steps.features, steps.mean, "features; below each map: its mean");
    if (step === 2) return single(steps.product, [Math.min(0, steps.product.lo), steps.product.hi], "product");
    if (step === 3) return single(steps.similarity, steps.similarity.limits(0, "relative", "similarity"), "similarity");
    if (step === 4) return single(steps.mask, [0, 1], "mask");
    return channels(steps.output, atCell(steps.output), "output; below each map: its marked cell");
  }

  cellAt(event) {
    return this.steps && this.loaded ? cellUnder(this.steps.similarity, event) : null;
  }

  mark(cell) {
    if (!cell || !this.loaded) return;
    this.setPlaying(false);
    this.cell = cell;
    this.show(store.image);
  }

  /** On the maps, the arrow keys move the marked cell. */
  moveMark(event) {
    const by = CELL_STEPS[event.key];
    if (!by || !this.loaded) return;
    event.preventDefault();
    event.stopPropagation();
    const { height, width } = this.steps.similarity;
    const within = (value, count) => Math.min(count - 1, Math.max(0, value));
    this.mark({ row: within(this.cell.row + by[0], height), col: within(this.cell.col + by[1], width) });
  }

  /** Elsewhere they change the step; the range input has keys of its own. */
  handleKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === this.slider) return;
    const by = KEY_STEPS[event.key];
    const end = { Home: 0, End: STEPS.length - 1 }[event.key];
    if (!by && end === undefined) return;
    event.preventDefault();
    this.move(end ?? this.step + by);
  }
}

customElements.define("sge-tour", Tour);
