// The photo under the light: it steps back towards grey, so that all colour in the picture is data.

const GREYED = 0.82;
const DIMMED = 0.2;
const NO_PICTURE = 150;

/** A photo at one size, ready to be lit. */
export class Ground {
  /**
   * @param image null where the browser cannot draw the format: then the maps lie on plain grey
   * @param crop left, top, width, height as shares of the photo
   */
  constructor(image, width, height, crop = [0, 0, 1, 1]) {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    // As the service reads transparency.
    context.fillStyle = image ? "#fff" : `rgb(${NO_PICTURE} ${NO_PICTURE} ${NO_PICTURE})`;
    context.fillRect(0, 0, width, height);
    context.imageSmoothingQuality = "high";
    if (image) {
      const [w, h] = [image.naturalWidth, image.naturalHeight];
      context.drawImage(image, crop[0] * w, crop[1] * h, crop[2] * w, crop[3] * h, 0, 0, width, height);
    }
    Object.assign(this, { width, height, photo: context.getImageData(0, 0, width, height).data });
    this.light = new Uint8Array(width * height);
    for (let i = 0, p = 0; i < this.light.length; i += 1, p += 4) {
      this.light[i] = 0.299 * this.photo[p] + 0.587 * this.photo[p + 1] + 0.114 * this.photo[p + 2];
    }
  }

  /** A fresh copy of the pixels, stepped back by `strength` (0: the photo itself). */
  pixels(strength) {
    if (this.strength !== strength) {
      this.strength = strength;
      this.base = stepBack(this.photo, this.light, strength);
    }
    return new Uint8ClampedArray(this.base);
  }
}

function stepBack(photo, light, strength) {
  const base = new Uint8ClampedArray(photo);
  if (strength === 0) return base;
  const [grey, dim] = [GREYED * strength, 1 - DIMMED * strength];
  for (let i = 0, p = 0; i < light.length; i += 1, p += 4) {
    for (let c = p; c < p + 3; c += 1) base[c] = (photo[c] + (light[i] - photo[c]) * grey) * dim;
  }
  return base;
}
