// The image with the overlay of groups or parts. A click sets the point at which groups are ranked.

import { make } from "../dom.js";
import { Painter } from "../drawing/painter.js";
import { groupName } from "../format.js";
import { step } from "../state/images.js";
import { describeParts } from "../state/parts.js";
import { StoreElement } from "./store-element.js";
import { onSwipe } from "./swipes.js";

// The canvas has at most this many pixels, so that a preview can be redrawn quickly; the browser enlarges it.
const MAX_PIXELS = 2_400_000;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

class ImageView extends StoreElement {
  static keys = ["images", "current", "hover", "pins", "block", "signal", "colormap", "scale", "opacity", "view", "point"];

  build() {
    this.painter = new Painter(this.store);
    this.canvas = make("canvas", { id: `image${this.store.suffix}`, tabindex: "0", role: "img", "aria-keyshortcuts": "Enter" });
    this.marker = make("span", { class: "marker", "aria-hidden": "true", hidden: true });
    this.frame = make("div", { class: "frame" }, this.canvas, this.marker);
    this.cursor = null;
    this.canvas.addEventListener("click", (event) => this.store.set({ point: this.position(event) }));
    this.canvas.addEventListener("pointermove", (event) => event.pointerType === "mouse" && this.store.set({ pointer: this.position(event) }));
    this.canvas.addEventListener("pointerleave", () => this.store.set({ pointer: null }));
    this.canvas.addEventListener("keydown", (event) => this.handleKey(event));
    onSwipe(this.canvas, step);
    this.canvas.addEventListener("blur", () => this.moveCursor(null));
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(this);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.resizing.disconnect();
  }

  /** Width and height of the upright original in pixels. */
  get size() {
    return this.store.image.analysis.geometry.image;
  }

  draw() {
    const { image } = this.store;
    if (!image) return;
    // Until the first analysis, the page shows the plain sample here.
    if (!this.frame.isConnected) this.replaceChildren(this.frame);
    const [width, height] = this.size;
    this.style.setProperty("--aspect", width / height);
    if (!this.clientWidth || !this.clientHeight) return;
    const fit = Math.min(this.clientWidth / width, this.clientHeight / height);
    const [shownWidth, shownHeight] = [Math.max(1, Math.round(width * fit)), Math.max(1, Math.round(height * fit))];
    Object.assign(this.frame.style, { width: `${shownWidth}px`, height: `${shownHeight}px` });
    const density = Math.min(window.devicePixelRatio || 1, Math.sqrt(MAX_PIXELS / (shownWidth * shownHeight)));
    this.canvas.width = Math.max(1, Math.round(shownWidth * density));
    this.canvas.height = Math.max(1, Math.round(shownHeight * density));
    this.painter.paint(this.canvas);
    const overlay = this.store.view === "parts" ? describeParts(image.analysis) : `${this.store.signal} of ${this.store.shown.map(groupName).join(", ")}`;
    this.canvas.setAttribute("aria-label", `${image.name}; overlay: ${overlay}. Arrow keys move a cross, Enter lists the strongest groups there.`);
    this.moveMarker(this.cursor ?? this.store.state.point);
  }

  position(event) {
    const box = this.canvas.getBoundingClientRect();
    const [width, height] = this.size;
    return { x: ((event.clientX - box.left) / box.width) * width, y: ((event.clientY - box.top) / box.height) * height };
  }

  handleKey(event) {
    const [width, height] = this.size;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (ARROWS[event.key]) {
      const step = Math.max(width, height) / (event.shiftKey ? 100 : 28);
      const from = this.cursor ?? this.store.state.point ?? { x: width / 2, y: height / 2 };
      const [dx, dy] = ARROWS[event.key];
      this.moveCursor({
        x: Math.min(width - 1, Math.max(0, from.x + dx * step)),
        y: Math.min(height - 1, Math.max(0, from.y + dy * step)),
      });
    } else if (event.key === "Enter" || event.key === " ") {
      this.store.set({ point: this.cursor ?? this.store.state.point ?? { x: width / 2, y: height / 2 } });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  moveCursor(cursor) {
    this.cursor = cursor;
    this.store.set({ pointer: cursor });
    this.moveMarker(cursor ?? this.store.state.point);
  }

  moveMarker(point) {
    this.marker.hidden = !point;
    if (!point || !this.store.image) return;
    const [width, height] = this.size;
    Object.assign(this.marker.style, { left: `${(100 * point.x) / width}%`, top: `${(100 * point.y) / height}%` });
  }
}

customElements.define("sge-image", ImageView);
