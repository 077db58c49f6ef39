// Thumbnails of the visitor's own images, so that the filmstrip does not hold them at their full size.
// They are drawn from the file until it is analysed, and then from the image that the service has decoded.

import { Queue } from "./queue.js";

const [WIDTH, QUALITY, LIMIT] = [180, 0.8, 2];
const jobs = new Map();

const queue = new Queue({ limit: LIMIT, work: draw });

/** Calls `done(url)` with the URL of a thumbnail, or with null where the browser cannot draw the file. */
export function drawThumbnail(key, file, done) {
  jobs.set(key, { file, done });
  queue.add(key);
}

export function forgetThumbnail(key) {
  jobs.delete(key);
  queue.remove(key);
}

async function draw(key, signal) {
  const job = jobs.get(key);
  const { file, done } = job;
  const url = await shrink(file).catch(() => null);
  if (jobs.get(key) === job) jobs.delete(key);
  if (!signal.aborted) done(url);
  else if (url) URL.revokeObjectURL(url);
}

async function shrink(file) {
  const bitmap = await createImageBitmap(file, { resizeWidth: WIDTH, resizeQuality: "medium" });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d");
  // The service also puts transparent images on white.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return URL.createObjectURL(await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY }));
}
