// The photo under an overlay. It is desaturated and dimmed, so that all colour in the view is data.

const DESATURATION = 0.82;
const DIMMING = 0.2;
const GREY_WITHOUT_IMAGE = 150;

/** The pixels of a photo at one size, with its luminance. */
export class Photo {
  /**
   * @param element the decoded image, or null where there is none: then the photo is plain grey
   * @param crop left, top, width and height as fractions of the image
   */
  constructor(element, width, height, crop = [0, 0, 1, 1]) {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = element ? "#fff" : `rgb(${GREY_WITHOUT_IMAGE} ${GREY_WITHOUT_IMAGE} ${GREY_WITHOUT_IMAGE})`;
    context.fillRect(0, 0, width, height);
    context.imageSmoothingQuality = "high";
    if (element) {
      const [w, h] = [element.naturalWidth, element.naturalHeight];
      context.drawImage(element, crop[0] * w, crop[1] * h, crop[2] * w, crop[3] * h, 0, 0, width, height);
    }
    Object.assign(this, { width, height, original: context.getImageData(0, 0, width, height).data });
    this.luminance = new Uint8Array(width * height);
    for (let i = 0, p = 0; i < this.luminance.length; i += 1, p += 4) {
      this.luminance[i] = 0.299 * this.original[p] + 0.587 * this.original[p + 1] + 0.114 * this.original[p + 2];
    }
  }

  /** A new copy of the RGBA pixels, dimmed by `strength` (0: the original). */
  pixels(strength) {
    if (this.strength !== strength) {
      this.strength = strength;
      this.dimmed = dim(this.original, this.luminance, strength);
    }
    return new Uint8ClampedArray(this.dimmed);
  }
}

function dim(original, luminance, strength) {
  const dimmed = new Uint8ClampedArray(original);
  if (strength === 0) return dimmed;
  const [grey, factor] = [DESATURATION * strength, 1 - DIMMING * strength];
  for (let i = 0, p = 0; i < luminance.length; i += 1, p += 4) {
    for (let c = p; c < p + 3; c += 1) dimmed[c] = (original[c] + (luminance[i] - original[c]) * grey) * factor;
  }
  return dimmed;
}
