// Which groups the picture shows, in which colours, between which values.

import { PIN_COLOURS, colourTable } from "./colours.js";
import { groupName, make, number } from "./dom.js";
import { store, StoreElement } from "./store.js";

class Legend extends StoreElement {
  static keys = ["pictures", "current", "hover", "pins", "block", "signal", "colormap", "scale"];

  build() {
    this.bar = make("canvas", { class: "colour-bar", width: "256", height: "1", "aria-hidden": "true" });
  }

  draw() {
    if (!store.picture) return;
    const shown = store.shown;
    const { hover, pins } = store.state;
    this.dataset.testid = "legend";
    const chips = pins.map((pin, i) => this.chip(pin, i));
    const preview = !pins.length || hover ? [this.caption(shown[0])] : [];
    this.replaceChildren(make("div", { class: "chips" }, ...preview, ...chips), ...(shown.length === 1 ? [this.scale(shown[0])] : []));
  }

  caption(one) {
    const pinned = store.isPinned(one);
    const why = one.why ? ` \u2014 ${one.why}` : "";
    return make("p", { class: "caption" }, make("b", {}, groupName(one)), store.state.hover && !pinned ? " \u2014 click to pin" : why);
  }

  chip(pin, i) {
    const atlas = store.atlas(pin.block);
    const range = atlas && pin.group < atlas.groups ? atlas.limits(pin.group, store.state.scale, store.signal) : null;
    const dot = make("span", { class: "dot", "aria-hidden": "true" });
    dot.style.background = store.shown.length > 1 || store.state.hover ? PIN_COLOURS[i] : "currentColor";
    const said = range ? `${number(range[0])} to ${number(range[1])}` : "not in this model";
    return make(
      "span",
      { class: "chip" },
      dot,
      make("b", {}, groupName(pin)),
      make("span", { class: "range" }, said),
      make("button", { type: "button", "aria-label": `Remove ${groupName(pin)}`, onclick: () => store.togglePin(pin) }, "\u00d7"),
    );
  }

  scale(one) {
    const atlas = store.atlas(one.block);
    if (atlas.isFlat(one.group)) {
      return make("p", { class: "flat-note" }, `Flat: ${number(atlas.range(one.group)[0])} everywhere. This gate sleeps, the picture does not move it.`);
    }
    const table = colourTable(store.state.colormap);
    const image = new ImageData(256, 1);
    for (let i = 0; i < 256; i += 1) image.data.set([...table.subarray(3 * i, 3 * i + 3), 255], 4 * i);
    this.bar.getContext("2d").putImageData(image, 0, 0);
    const [low, high] = atlas.limits(one.group, store.state.scale, store.signal);
    const words = `${store.signal}, ${store.state.scale} scale, from ${number(low)} to ${number(high)}`;
    return make("div", { class: "scale", role: "img", "aria-label": words }, make("span", {}, number(low)), this.bar, make("span", {}, number(high)), make("span", { class: "scale-name" }, `${store.signal}, ${store.state.scale}`));
  }
}

customElements.define("sge-legend", Legend);
