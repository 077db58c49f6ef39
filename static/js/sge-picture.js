// The picture, as large as it may be, with the shown groups over it; a click asks who answers there.

import { groupName, make } from "./dom.js";
import { Painter } from "./paint.js";
import { spoken } from "./parts.js";
import { step } from "./pictures.js";
import { StoreElement } from "./store.js";
import { followSwipes } from "./swipes.js";

// More pixels than this are not painted anew for every preview; the browser enlarges the rest.
const MOST_PIXELS = 2_400_000;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

class Picture extends StoreElement {
  static keys = ["pictures", "current", "hover", "pins", "block", "signal", "colormap", "scale", "opacity", "view", "point"];

  build() {
    this.painter = new Painter(this.store);
    this.canvas = make("canvas", { id: `picture${this.store.suffix}`, tabindex: "0", role: "img", "aria-keyshortcuts": "Enter" });
    this.marker = make("span", { class: "marker", "aria-hidden": "true", hidden: true });
    this.frame = make("div", { class: "frame" }, this.canvas, this.marker);
    this.cursor = null;
    this.canvas.addEventListener("click", (event) => this.store.set({ point: this.position(event) }));
    this.canvas.addEventListener("pointermove", (event) => event.pointerType === "mouse" && this.store.set({ reading: this.position(event) }));
    this.canvas.addEventListener("pointerleave", () => this.store.set({ reading: null }));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    followSwipes(this.canvas, step);
    this.canvas.addEventListener("blur", () => this.moveCursor(null));
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(this);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.resizing.disconnect();
  }

  /** Pixels of the upright original. */
  get size() {
    return this.store.picture.analysis.geometry.picture;
  }

  draw() {
    const { picture } = this.store;
    if (!picture) return;
    // Until now the page itself has shown the first sample here.
    if (!this.frame.isConnected) this.replaceChildren(this.frame);
    const [width, height] = this.size;
    this.style.setProperty("--aspect", width / height);
    if (!this.clientWidth || !this.clientHeight) return;
    const fit = Math.min(this.clientWidth / width, this.clientHeight / height);
    const [shownWidth, shownHeight] = [Math.max(1, Math.round(width * fit)), Math.max(1, Math.round(height * fit))];
    Object.assign(this.frame.style, { width: `${shownWidth}px`, height: `${shownHeight}px` });
    const density = Math.min(window.devicePixelRatio || 1, Math.sqrt(MOST_PIXELS / (shownWidth * shownHeight)));
    this.canvas.width = Math.max(1, Math.round(shownWidth * density));
    this.canvas.height = Math.max(1, Math.round(shownHeight * density));
    this.painter.paint(this.canvas);
    const over = this.store.view === "parts" ? spoken(picture.analysis) : `${this.store.signal} of ${this.store.shown.map(groupName).join(", ")}`;
    this.canvas.setAttribute("aria-label", `${picture.name}; over it ${over}. Arrow keys move a cross, Enter asks which groups answer there.`);
    this.mark(this.cursor ?? this.store.state.point);
  }

  position(event) {
    const box = this.canvas.getBoundingClientRect();
    const [width, height] = this.size;
    return { x: ((event.clientX - box.left) / box.width) * width, y: ((event.clientY - box.top) / box.height) * height };
  }

  key(event) {
    const [width, height] = this.size;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (ARROWS[event.key]) {
      const step = Math.max(width, height) / (event.shiftKey ? 100 : 28);
      const at = this.cursor ?? this.store.state.point ?? { x: width / 2, y: height / 2 };
      const [dx, dy] = ARROWS[event.key];
      this.moveCursor({
        x: Math.min(width - 1, Math.max(0, at.x + dx * step)),
        y: Math.min(height - 1, Math.max(0, at.y + dy * step)),
      });
    } else if (event.key === "Enter" || event.key === " ") {
      this.store.set({ point: this.cursor ?? this.store.state.point ?? { x: width / 2, y: height / 2 } });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  moveCursor(cursor) {
    this.cursor = cursor;
    this.store.set({ reading: cursor });
    this.mark(cursor ?? this.store.state.point);
  }

  mark(point) {
    this.marker.hidden = !point;
    if (!point || !this.store.picture) return;
    const [width, height] = this.size;
    Object.assign(this.marker.style, { left: `${(100 * point.x) / width}%`, top: `${(100 * point.y) / height}%` });
  }
}

customElements.define("sge-picture", Picture);
