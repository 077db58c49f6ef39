"""Turns an upright image into network input: resizing, cropping and normalization, one implementation each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from sge.arrays import Array
from sge.errors import ChoiceError, ShapeError, check_choice, check_whole
from sge.images.decoding import DecodedImage
from sge.images.facts import ImageFacts
from sge.images.geometry import Box, Geometry
from sge.images.preprocess import MAX_SIZE, Preprocess

FRAMINGS = ("whole", "center")
STRIDE = 32
MAX_ASPECT = 4
"""With ``whole``, a side is at most this many times the network's size, which bounds the memory of a banner."""
BANNER_ASPECT = 8
"""Above this aspect ratio, ``center`` resizes only the part of the image that it crops."""
SAME_ORDER_ASPECT = 1.51
"""Height divided by width up to which Pillow resizes an image and its crop in the same order of rows and columns."""
MIN_SIZE = 32
"""Smallest size that a caller can ask for, in pixels. A network's own size may be smaller."""
PADDING = 114
"""Gray beside an image, where the network takes pixels that are not normalized."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of R, G and B in gray (ITU-R BT.601)."""

Pixels = Image.Image | npt.NDArray[np.uint8]
"""An RGB image, as a PIL image or as a uint8 array (h, w, 3)."""


@dataclass(frozen=True)
class Frame:
    """One image as network input."""

    array: Array
    """(channels, h, w), float32, normalized; one channel if the network's ``Preprocess`` has one."""
    geometry: Geometry
    image: DecodedImage | ImageFacts
    """The image, or its facts where its pixels are not in this process."""
    temperature: float = 1.0
    """Divides the logits."""


def frame(
    image: DecodedImage, preprocess: Preprocess, framing: str = "whole", size: int | None = None
) -> Frame:
    """Resizes, crops if the framing says so, and normalizes.

    Args:
        image: An upright image.
        preprocess: The network's size and normalization.
        framing: ``whole``: the entire image, aspect kept, sides rounded to a multiple of 32; where the network takes one
            size only, padded to it.
            ``center``: shorter side to ``resize``, then the central square (the usual evaluation protocol).
        size: Another input size than the network's own, in pixels; ``resize`` is scaled with it.

    Raises:
        ChoiceError: an unknown framing, or a size outside 32 to 1024.
    """
    pixels, geometry, temperature = frame_pixels(image, preprocess, framing, size)
    return Frame(normalize(np.asarray(pixels), preprocess), geometry, image, temperature)


def frame_pixels(
    image: DecodedImage, preprocess: Preprocess, framing: str = "whole", size: int | None = None
) -> tuple[Image.Image, Geometry, float]:
    """``frame`` without the normalization: what a process sends to the one that has the network.

    Returns:
        The input as RGB image of 8 bits a channel, its geometry, and the temperature of ``Frame``.

    Raises:
        ChoiceError: as ``frame``.
    """
    side = input_size(preprocess, framing, size)
    if preprocess.fixed is not None:
        resized, window = _of_fixed_size(image, preprocess, preprocess.fixed, framing)
    elif framing == "whole":
        resized = resize(image.rgb, whole_size((image.width, image.height), side), preprocess.interpolation)
        window = Box(0.0, 0.0, float(image.width), float(image.height))
    else:
        resized, window = _center_of_decoded(image, preprocess, side)
    geometry = Geometry((image.width, image.height), resized.size, window, framing)
    temperature = preprocess.whole_temperature if framing == "whole" and size is None else 1.0
    return resized, geometry, temperature


def input_size(preprocess: Preprocess, framing: str, size: int | None = None) -> int:
    """Shorter side of the network's input in pixels: ``size``, or the network's own for the framing.

    Raises:
        ChoiceError: an unknown framing, a size outside 32 to 1024, or another one than the only one that the network takes.
    """
    check_choice("framing", framing, FRAMINGS)
    own = preprocess.whole if framing == "whole" and preprocess.whole else preprocess.size
    if preprocess.fixed is not None:
        own = min(preprocess.fixed)
        if size is not None and check_whole("size", size) != own:
            height, width = preprocess.fixed
            raise ChoiceError(
                f"size is {size!r}, and this model takes inputs of {width} x {height} pixels alone, to which every image is "
                "framed. Leave size out."
            )
        return own
    if size is None:
        return own
    side = check_whole("size", size)
    if not MIN_SIZE <= side <= MAX_SIZE:
        raise ChoiceError(f"size is {size!r}; choose {MIN_SIZE} to {MAX_SIZE} pixels.")
    return side


def fixed_scale(image: tuple[int, int], preprocess: Preprocess, framing: str) -> float:
    """Pixels of the input for each pixel of the image, where the input has a fixed size.

    Args:
        image: Width and height of the image.
        preprocess: States ``fixed``.
        framing: ``whole`` or ``center``.
    """
    assert preprocess.fixed is not None
    height, width = preprocess.fixed
    sides = width / image[0], height / image[1]
    return min(sides) if framing == "whole" else max(sides) * max(1.0, preprocess.resize / preprocess.size)


def _of_fixed_size(
    image: DecodedImage, preprocess: Preprocess, fixed: tuple[int, int], framing: str
) -> tuple[Image.Image, Box]:
    """The input of a fixed height and width, and its window in pixels of the image."""
    height, width = fixed
    across, down = image.width, image.height
    if framing == "center" and height == width:
        return _center_of_decoded(image, preprocess, height)
    scale = fixed_scale((across, down), preprocess, framing)
    if framing == "center":
        left, top = (across - width / scale) / 2, (down - height / scale) / 2
        window = Box(left, top, left + width / scale, top + height / scale)
        shrunk = image.rgb.width / across, image.rgb.height / down
        part = Box(*(side * shrunk[at % 2] for at, side in enumerate(window)))
        return resize(image.rgb, (width, height), preprocess.interpolation, part), window
    shown = max(1, round(across * scale)), max(1, round(down * scale))
    # Where an image ends, a network that is given normalized numbers sees the mean, and YOLO was trained on this gray.
    color = [round(255 * mean) for mean in preprocess.mean] if any(preprocess.mean) else [PADDING]
    padded = Image.new("RGB", (width, height), tuple((color * 3)[:3]))
    padded.paste(resize(image.rgb, shown, preprocess.interpolation), (0, 0))
    return padded, Box(0.0, 0.0, width * across / shown[0], height * down / shown[1])


def whole_size(image: tuple[int, int], size: int) -> tuple[int, int]:
    """Input size with framing ``whole``.

    Args:
        image: Width and height of the image.
        size: Shorter side of the input, in pixels.

    Returns:
        Width and height of the input, both multiples of 32.
    """
    factor = min(size / min(image), MAX_ASPECT * size / max(image))
    width, height = (max(1, round(side * factor / STRIDE)) * STRIDE for side in image)
    return width, height


def resize(
    image: Pixels, size: tuple[int, int], interpolation: str = "bilinear", box: Box | None = None
) -> Image.Image:
    """Resizes with Pillow's antialiased filters.

    Args:
        image: PIL image, or uint8 array (h, w, 3).
        size: Width and height of the result.
        interpolation: ``bilinear`` or ``bicubic``.
        box: The region to resize, in pixels of ``image``; all of it by default.
    """
    resample = Image.Resampling.BICUBIC if interpolation == "bicubic" else Image.Resampling.BILINEAR
    return _pil(image).resize(size, resample, box=box)


def center_crop(image: Pixels, preprocess: Preprocess, size: int | None = None) -> tuple[Image.Image, Box]:
    """The evaluation crop: shorter side to ``preprocess.resize``, then the central square.

    The longer side is rounded to the nearest whole number and the crop's offsets are rounded down. torchvision
    rounds the longer side down and the offset to the nearest; the base network's top-1 on the ten breeds is
    0.766 with the rounding used here and 0.750 with torchvision's.

    Where it can be, only the crop is resized, which takes 0.6 of the time: values then differ by at most 1 of 255, few in a
    thousand. Of an image above ``BANNER_ASPECT`` this is always so, because the resized banner could fill the
    memory, and single bicubic pixels beside hard edges differ by more: Pillow chooses the order of rows and columns by the
    size.

    Args:
        image: PIL image, or uint8 array (h, w, 3).
        preprocess: Gives ``resize``, ``size`` and ``interpolation``.
        size: Another side of the crop, in pixels; ``resize`` is scaled with it.

    Returns:
        The crop, and its window in pixels of ``image``.
    """
    image = _pil(image)
    crop = preprocess.size if size is None else size
    (width, height), (left, top), window = _center_window(image.size, preprocess, crop)
    if max(width, height) > BANNER_ASPECT * min(width, height) or _in_the_same_order(image, width):
        return resize(image, (crop, crop), preprocess.interpolation, window), window
    resized = resize(image, (width, height), preprocess.interpolation)
    return resized.crop((left, top, left + crop, top + crop)), window


def _in_the_same_order(image: Image.Image, resized_width: int) -> bool:
    """Whether Pillow resizes rows and columns of the crop in the order in which it resizes those of the whole image."""
    return image.width >= 2 * resized_width and image.height <= SAME_ORDER_ASPECT * image.width


def _center_of_decoded(image: DecodedImage, preprocess: Preprocess, crop: int) -> tuple[Image.Image, Box]:
    """``center_crop``, also of an image that was decoded smaller; the window is in pixels of the whole one."""
    if image.full_size is None:
        return center_crop(image.rgb, preprocess, crop)
    *_, window = _center_window(image.full_size, preprocess, crop)
    across, down = image.rgb.width / image.width, image.rgb.height / image.height
    part = Box(window.left * across, window.top * down, window.right * across, window.bottom * down)
    return resize(image.rgb, (crop, crop), preprocess.interpolation, part), window


def _center_window(
    size: tuple[int, int], preprocess: Preprocess, crop: int
) -> tuple[tuple[int, int], tuple[int, int], Box]:
    """Size of the resized image, left and top of the crop in it, and the crop's window in pixels of the image."""
    shorter = max(crop, round(crop * preprocess.resize / preprocess.size))
    width, height = (round(shorter * side / min(size)) for side in size)
    left, top = (width - crop) // 2, (height - crop) // 2
    scale_x, scale_y = size[0] / width, size[1] / height
    window = Box(
        left * scale_x,
        top * scale_y,
        min((left + crop) * scale_x, float(size[0])),
        min((top + crop) * scale_y, float(size[1])),
    )
    return (width, height), (left, top), window


def normalize(pixels: npt.NDArray[np.generic], preprocess: Preprocess) -> Array:
    """(pixel / 255 - mean) / std, of the luma if the network takes one channel.

    Args:
        pixels: RGB values 0 to 255 of any dtype: (3, h, w) or (N, 3, h, w), or with the channels last.
            Where both the third axis from the end and the last one have length 3, channels come first.
        preprocess: Gives mean and std.

    Returns:
        Channels first, (..., channels, h, w), float32, contiguous.

    Raises:
        ShapeError: no axis of three channels.
    """
    values = np.asarray(pixels)
    if values.ndim < 3 or 3 not in (values.shape[-3], values.shape[-1]):
        raise ShapeError(f"Pixels have shape {values.shape}; give (3, height, width) or (height, width, 3).")
    if values.shape[-3] != 3:
        values = np.moveaxis(values, -1, -3)
    # Bytes are brought into the order of channels before they become four times as large.
    planes = np.ascontiguousarray(values).astype(np.float32)
    if preprocess.channels == 1:
        planes = np.tensordot(planes, LUMA, ([-3], [0]))[..., None, :, :]
    mean, std = pixel_statistics(preprocess)
    planes -= mean
    planes /= std
    return planes


def pixel_statistics(preprocess: Preprocess) -> tuple[Array, Array]:
    """Mean and standard deviation of pixels 0 to 255, (channels, 1, 1) float32, for tensors anywhere."""
    scale = np.float32(255)
    mean, std = (np.asarray(values, np.float32) for values in (preprocess.mean, preprocess.std))
    return scale * mean[:, None, None], scale * std[:, None, None]


def _pil(image: Pixels) -> Image.Image:
    return image if isinstance(image, Image.Image) else Image.fromarray(image)
