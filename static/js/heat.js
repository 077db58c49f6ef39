// Paints one map: first enlarged smoothly in grey, then coloured, so that no colour between two others is made up.

const cells = new OffscreenCanvas(1, 1);

/** The map at `width` x `height`, as bytes 0..255 between the limits. */
export function stretched(atlas, group, [low, high], width, height) {
  cells.width = atlas.width;
  cells.height = atlas.height;
  const small = cells.getContext("2d", { willReadFrequently: true });
  const image = small.createImageData(atlas.width, atlas.height);
  const factor = high - low > 0 ? 255 / (high - low) : 0;
  atlas.cells(group).forEach((cell, i) => {
    const value = atlas.lo + atlas.step * cell;
    image.data.fill((value - low) * factor, 4 * i, 4 * i + 3);
    image.data[4 * i + 3] = 255;
  });
  small.putImageData(image, 0, 0);
  const large = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  large.imageSmoothingEnabled = true;
  large.imageSmoothingQuality = "high";
  // The outer half cell is drawn over the edge: smoothing would otherwise fade the border.
  large.drawImage(cells, 0, 0, width, height);
  const rgba = large.getImageData(0, 0, width, height).data;
  const bytes = new Uint8Array(width * height);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = rgba[4 * i];
  return bytes;
}

/** Colours every pixel by a table of 256 x 3 bytes; `alpha(v)` gives 0..255 for a value 0..255. */
export function coloured(bytes, width, height, table, alpha = () => 255) {
  const image = new ImageData(width, height);
  for (let i = 0; i < bytes.length; i += 1) {
    const value = bytes[i];
    image.data[4 * i] = table[3 * value];
    image.data[4 * i + 1] = table[3 * value + 1];
    image.data[4 * i + 2] = table[3 * value + 2];
    image.data[4 * i + 3] = alpha(value);
  }
  return image;
}

/** One colour everywhere, as a table. */
export function plainTable(hex) {
  const colour = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return Uint8Array.from({ length: 768 }, (_, i) => colour[i % 3]);
}
