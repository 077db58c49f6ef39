// The picture, as large as it may be, with the shown groups over it; a click asks who answers there.

import { colourTable, PIN_COLOURS } from "./colours.js";
import { groupName, make } from "./dom.js";
import { coloured, plainTable, stretched } from "./heat.js";
import { store, StoreElement } from "./store.js";

const FINEST = 640;

/** Draws picture and maps into a context, `width` x `height` device pixels. */
export function paint(context, width, height) {
  const { picture } = store;
  const { colormap, opacity, scale } = store.state;
  context.clearRect(0, 0, width, height);
  if (picture.image) context.drawImage(picture.image, 0, 0, width, height);
  const { picture: size, window: seen } = picture.analysis.geometry;
  const factor = [width / size[0], height / size[1]];
  const box = [seen[0] * factor[0], seen[1] * factor[1], (seen[2] - seen[0]) * factor[0], (seen[3] - seen[1]) * factor[1]];
  shadeOutside(context, box, width, height);
  const shrink = Math.min(1, FINEST / Math.max(box[2], box[3]));
  const [w, h] = [Math.max(1, Math.round(box[2] * shrink)), Math.max(1, Math.round(box[3] * shrink))];
  const shown = store.shown;
  shown.forEach((one, i) => {
    const atlas = store.atlas(one.block);
    if (atlas.isFlat(one.group)) return;
    const bytes = stretched(atlas, one.group, atlas.limits(one.group, scale, store.signal), w, h);
    const image =
      shown.length === 1
        ? coloured(bytes, w, h, colourTable(colormap), (v) => opacity * (60 + (195 * v) / 255))
        : coloured(bytes, w, h, plainTable(PIN_COLOURS[i]), (v) => (opacity * v * v) / 255);
    const layer = new OffscreenCanvas(w, h);
    layer.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingQuality = "high";
    context.drawImage(layer, ...box);
  });
}

/** In centre framing the network did not see the rest. */
function shadeOutside(context, [x, y, w, h], width, height) {
  if (w >= width - 2 && h >= height - 2) return;
  context.save();
  context.fillStyle = "rgb(10 11 13 / 0.62)";
  context.beginPath();
  context.rect(0, 0, width, height);
  context.rect(x, y, w, h);
  context.fill("evenodd");
  context.restore();
}

class Picture extends StoreElement {
  static keys = ["pictures", "current", "hover", "pins", "block", "signal", "colormap", "scale", "opacity", "point"];

  build() {
    this.canvas = make("canvas", { id: "picture", tabindex: "0", role: "img" });
    this.marker = make("span", { class: "marker", "aria-hidden": "true", hidden: true });
    this.frame = make("div", { class: "frame" }, this.canvas, this.marker);
    this.replaceChildren(this.frame);
    this.cursor = null;
    this.canvas.addEventListener("click", (event) => this.pointAt(this.position(event)));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("blur", () => this.moveCursor(null));
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(this);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.resizing.disconnect();
  }

  draw() {
    const { picture } = store;
    this.hidden = !picture;
    if (!picture || !this.clientWidth) return;
    const [width, height] = picture.analysis.geometry.picture;
    this.style.setProperty("--aspect", width / height);
    const fit = Math.min(this.clientWidth / width, this.clientHeight / height);
    const [shownWidth, shownHeight] = [Math.max(1, width * fit), Math.max(1, height * fit)];
    Object.assign(this.frame.style, { width: `${shownWidth}px`, height: `${shownHeight}px` });
    const density = Math.min(window.devicePixelRatio || 1, 2);
    this.canvas.width = Math.round(shownWidth * density);
    this.canvas.height = Math.round(shownHeight * density);
    paint(this.canvas.getContext("2d"), this.canvas.width, this.canvas.height);
    const names = store.shown.map(groupName).join(", ");
    this.canvas.setAttribute("aria-label", `${picture.name}; over it ${store.signal} of ${names}. Enter asks which groups answer at the cross; arrow keys move it.`);
    this.mark(store.state.point ?? this.cursor);
  }

  position(event) {
    const box = this.canvas.getBoundingClientRect();
    const [width, height] = store.picture.analysis.geometry.picture;
    return { x: ((event.clientX - box.left) / box.width) * width, y: ((event.clientY - box.top) / box.height) * height };
  }

  pointAt(point) {
    store.set({ point });
  }

  key(event) {
    const [width, height] = store.picture.analysis.geometry.picture;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (moves[event.key]) {
      const step = Math.max(width, height) / (event.shiftKey ? 100 : 28);
      const at = this.cursor ?? store.state.point ?? { x: width / 2, y: height / 2 };
      const [dx, dy] = moves[event.key];
      this.moveCursor({
        x: Math.min(width - 1, Math.max(0, at.x + dx * step)),
        y: Math.min(height - 1, Math.max(0, at.y + dy * step)),
      });
    } else if (event.key === "Enter" || event.key === " ") {
      this.pointAt(this.cursor ?? { x: width / 2, y: height / 2 });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  moveCursor(cursor) {
    this.cursor = cursor;
    this.mark(cursor ?? store.state.point);
  }

  mark(point) {
    this.marker.hidden = !point;
    if (!point || !store.picture) return;
    const [width, height] = store.picture.analysis.geometry.picture;
    Object.assign(this.marker.style, { left: `${(100 * point.x) / width}%`, top: `${(100 * point.y) / height}%` });
  }
}

customElements.define("sge-picture", Picture);
