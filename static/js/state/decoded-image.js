// The pixels that are drawn: the image as the service has decoded it. The browser's own reading of a file may differ in
// colours, orientation or frame, so that a map over it would not lie over what was analysed.

import { decodedImage } from "../api.js";

/** The longest side, in pixels, of the image in an answer: as much as the view shows before it is enlarged. */
export const PREVIEW_SIDE = 1800;
const MAX_SIDE = 4096;
// An image is asked for with more pixels where so many times as many would be drawn.
const MIN_GAIN = 1.25;
// The analyses for which more pixels were asked for, and the requests that run, by file.
const asked = new Set();
const running = new Map();

/** An image element, or null where there is no image or it cannot be drawn. */
export function loadImage(url) {
  if (!url) return Promise.resolve(null);
  return new Promise((done) => {
    const element = new Image();
    element.onload = () => done(element);
    element.onerror = () => done(null);
    element.src = url;
  });
}

/** Asks once for an own image with more pixels, if it is drawn so large that its preview is blurred. */
export async function sharpen(store, { key, version, file, name, element, analysis }, drawnWidth) {
  if (!file || !element || asked.has(version)) return;
  const { naturalWidth } = element;
  if (naturalWidth >= analysis.geometry.image[0] || drawnWidth < MIN_GAIN * naturalWidth) return;
  asked.add(version);
  const sharp = await loadSharp(file, name);
  if (!sharp || sharp.naturalWidth <= naturalWidth) return;
  const { images } = store.state;
  store.set({ images: images.map((entry) => (entry.key === key && entry.version === version ? { ...entry, element: sharp } : entry)) });
}

/** The image with up to `MAX_SIDE` pixels a side; null where the service does not give it: then the preview stays. */
function loadSharp(file, name) {
  const load = async () => {
    const url = URL.createObjectURL(await decodedImage(file, name, { max_side: MAX_SIDE, format: "jpeg" }));
    const element = await loadImage(url);
    URL.revokeObjectURL(url);
    return element;
  };
  if (!running.has(file)) running.set(file, load().catch(() => null).finally(() => running.delete(file)));
  return running.get(file);
}
