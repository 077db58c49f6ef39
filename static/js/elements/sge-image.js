// The image with the overlay of groups or parts. A click sets the point at which groups are ranked; it can be zoomed.

import { make } from "../dom.js";
import { Painter } from "../drawing/painter.js";
import { groupName } from "../format.js";
import { boxesOf, foundInWords, hasClasses } from "../state/boxes.js";
import { differenceOf } from "../state/difference.js";
import { sharpen } from "../state/decoded-image.js";
import { step } from "../state/images.js";
import { describeParts, faceAt } from "../state/parts.js";
import { layOut, NO_ZOOM, panBy, panTo, zoomBy } from "../state/zoom.js";
import { StoreElement } from "./store-element.js";
import { onSwipe } from "./swipes.js";
import { listenForZoom } from "./zoom-gestures.js";
import { zoomTools } from "./zoom-tools.js";

// The canvas has at most this many pixels, so that a preview can be redrawn quickly; the browser enlarges it.
const MAX_PIXELS = 2_400_000;
// While the image is being zoomed or moved, it is drawn with fewer pixels, and sharply after a pause.
const MAX_MOVING_PIXELS = 300_000;
const PAUSE_MS = 140;
const ZOOM_STEP = 1.5;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

class ImageView extends StoreElement {
  static keys = ["images", "current", "hover", "pins", "block", "signal", "colormap", "scale", "opacity", "view", "difference", "point", "zoom", "boxes", "markedBox", "markedFace"];

  build() {
    this.painter = new Painter(this.store);
    this.canvas = make("canvas", { id: `image${this.store.suffix}`, tabindex: "0", role: "img", "aria-keyshortcuts": "Enter + - 0" });
    this.marker = make("span", { class: "marker", "aria-hidden": "true", hidden: true });
    this.frame = make("div", { class: "frame" }, this.canvas, this.marker);
    this.tools = zoomTools({ zoomOut: () => this.zoom(1 / ZOOM_STEP), zoomIn: () => this.zoom(ZOOM_STEP), reset: () => this.resetZoom(), fullScreen: () => this.toggleFullScreen() });
    this.cursor = null;
    this.listen();
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(this);
  }

  listen() {
    const { canvas } = this;
    this.isZoomed = () => this.store.state.zoom.scale > 1;
    listenForZoom(canvas, {
      isZoomed: this.isZoomed,
      scrolls: () => this.scrolls(),
      zoom: (factor, client) => this.zoom(factor, this.fraction(client), true),
      pan: (dx, dy) => this.pan(dx, dy),
      reset: () => this.resetZoom(),
    });
    canvas.addEventListener("click", (event) => this.setPoint(event));
    canvas.addEventListener("dblclick", () => this.store.set({ point: this.pointBefore ?? null }));
    canvas.addEventListener("pointermove", (event) => event.pointerType === "mouse" && this.point(this.position(event)));
    canvas.addEventListener("pointerleave", () => this.point(null));
    canvas.addEventListener("keydown", (event) => this.handleKey(event));
    onSwipe(canvas, step, () => !this.isZoomed());
    canvas.addEventListener("blur", () => this.moveCursor(null));
    this.onFullScreen = () => this.draw();
    document.addEventListener("fullscreenchange", this.onFullScreen);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.resizing.disconnect();
    document.removeEventListener("fullscreenchange", this.onFullScreen);
  }

  /** Width and height of the upright original in pixels. */
  get size() {
    return this.store.image.analysis.geometry.image;
  }

  /** Width and height of this element, into which the image is fitted. */
  get box() {
    return [Math.max(1, this.clientWidth), Math.max(1, this.clientHeight)];
  }

  draw() {
    const { image } = this.store;
    if (!image) return;
    this.keepCursor(image);
    // Until the first analysis, the page shows the plain sample here.
    if (!this.frame.isConnected) this.replaceChildren(this.frame, this.tools.root);
    if (!this.clientWidth || !this.clientHeight) return;
    // The report fits the box to its only image.
    this.style.setProperty("--aspect", this.size[0] / this.size[1]);
    const { zoom } = this.store.state;
    const { width, height, window: seen } = layOut(zoom, this.size, this.box);
    this.window = seen;
    Object.assign(this.frame.style, { width: `${width}px`, height: `${height}px` });
    this.canvas.classList.toggle("zoomed", this.isZoomed());
    const density = Math.min(window.devicePixelRatio || 1, Math.sqrt((this.isMoving ? MAX_MOVING_PIXELS : MAX_PIXELS) / (width * height)));
    this.canvas.width = Math.max(1, Math.round(width * density));
    this.canvas.height = Math.max(1, Math.round(height * density));
    this.painter.paint(this.canvas, seen);
    if (!this.isMoving) sharpen(this.store, image, this.canvas.width / seen.width);
    const drawsBoxes = this.store.state.boxes && boxesOf(image.analysis).length > 0 && !hasClasses(image.analysis);
    const overlay = `${this.overlayInWords(image)}${drawsBoxes ? `; ${foundInWords(image.analysis)}` : ""}`;
    this.canvas.setAttribute("aria-label", `${image.name}; overlay: ${overlay}. Arrow keys move a cross, Enter lists the strongest groups there.`);
    this.tools.draw(zoom.scale);
    this.moveMarker(this.cursor ?? this.store.state.point);
  }

  overlayInWords(image) {
    const difference = differenceOf(this.store);
    if (difference) return `${this.store.signal} of ${groupName(difference.group)}, second minus first model`;
    if (this.store.view === "parts") return describeParts(image.analysis);
    if (this.store.view === "gradcam") return `Grad-CAM of ${image.attribution.target.label}`;
    return `${this.store.signal} of ${this.store.shown.map(groupName).join(", ")}`;
  }

  /** The position on the screen as fractions of the image. */
  fraction({ x, y }) {
    const box = this.canvas.getBoundingClientRect();
    const { left, top, width, height } = this.window;
    return { x: left + ((x - box.left) / box.width) * width, y: top + ((y - box.top) / box.height) * height };
  }

  position(event) {
    const { x, y } = this.fraction({ x: event.clientX, y: event.clientY });
    return { x: x * this.size[0], y: y * this.size[1] };
  }

  /** Shows the values at a position under the pointer or the cross, and emphasizes the face of a part there. */
  point(pointer) {
    const markedFace = pointer && this.store.view === "parts" ? faceAt(this.store.image.analysis, pointer) : null;
    this.store.set({ pointer, markedFace });
  }

  /** Of a double click, which zooms, the second click is ignored and the first one is undone. */
  setPoint(event) {
    if (event.detail > 1) return;
    this.pointBefore = this.store.state.point;
    this.store.set({ point: this.position(event) });
  }

  /** Zooms about a position, by default the keyboard's cross or the middle. `isGesture`: more steps will follow at once. */
  zoom(factor, at = this.cursorFraction() ?? this.store.state.zoom, isGesture = false) {
    if (!this.store.image) return;
    if (isGesture) this.noteMovement();
    this.store.set({ zoom: zoomBy(this.store.state.zoom, factor, at, this.size, this.box) });
  }

  pan(dx, dy) {
    if (!this.isZoomed()) return;
    this.noteMovement();
    const { width, height } = this.canvas.getBoundingClientRect();
    this.store.set({ zoom: panBy(this.store.state.zoom, (-dx / width) * this.window.width, (-dy / height) * this.window.height, this.size, this.box) });
  }

  resetZoom() {
    this.store.set({ zoom: NO_ZOOM });
  }

  noteMovement() {
    this.isMoving = true;
    clearTimeout(this.pause);
    this.pause = setTimeout(() => {
      this.isMoving = false;
      this.draw();
    }, PAUSE_MS);
  }

  /** Whether the wheel over the image scrolls the page. */
  scrolls() {
    if (document.fullscreenElement) return false;
    const main = this.closest("main");
    const scrollers = [document.scrollingElement, getComputedStyle(main).overflowY === "visible" ? null : main];
    return scrollers.some((element) => element && element.scrollHeight > element.clientHeight + 1);
  }

  /** Shows image and legend alone on the screen, or the page again. */
  async toggleFullScreen() {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await this.closest(".pane").requestFullscreen();
    } catch {
      this.store.set({ note: "The browser did not allow full screen." });
    }
  }

  handleKey(event) {
    const [width, height] = this.size;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (ARROWS[event.key]) {
      const step = (Math.max(width, height) * Math.max(this.window.width, this.window.height)) / (event.shiftKey ? 100 : 28);
      const from = this.cursor ?? this.store.state.point ?? this.middle;
      const [dx, dy] = ARROWS[event.key];
      this.moveCursor({
        x: Math.min(width - 1, Math.max(0, from.x + dx * step)),
        y: Math.min(height - 1, Math.max(0, from.y + dy * step)),
      });
    } else if (event.key === "Enter" || event.key === " ") {
      this.store.set({ point: this.cursor ?? this.store.state.point ?? this.middle });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** The middle of what is shown, in pixels of the image. */
  get middle() {
    const { left, top, width, height } = this.window;
    return { x: (left + width / 2) * this.size[0], y: (top + height / 2) * this.size[1] };
  }

  cursorFraction() {
    return this.cursor && { x: this.cursor.x / this.size[0], y: this.cursor.y / this.size[1] };
  }

  /** The keyboard's cross belongs to one image. */
  keepCursor({ key }) {
    if (key === this.cursorKey) return;
    this.cursorKey = key;
    this.cursor = null;
  }

  moveCursor(cursor) {
    this.cursor = cursor;
    this.point(cursor);
    if (cursor && this.isZoomed()) this.store.set({ zoom: panTo(this.store.state.zoom, this.cursorFraction(), this.size, this.box) });
    this.moveMarker(cursor ?? this.store.state.point);
  }

  moveMarker(point) {
    this.marker.hidden = !point || !this.store.image || !this.window;
    if (this.marker.hidden) return;
    const { left, top, width, height } = this.window;
    const [x, y] = [(point.x / this.size[0] - left) / width, (point.y / this.size[1] - top) / height];
    this.marker.hidden = x < 0 || x > 1 || y < 0 || y > 1;
    Object.assign(this.marker.style, { left: `${100 * x}%`, top: `${100 * y}%` });
  }
}

customElements.define("sge-image", ImageView);
