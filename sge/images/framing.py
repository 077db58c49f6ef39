"""How an image becomes network input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sge.errors import ChoiceError, check_choice
from sge.images.decode import DecodedImage
from sge.images.geometry import Box, Geometry

FRAMINGS = ("whole", "center")
STRIDE = 32
MAX_ASPECT = 4
"""In ``whole``, a side is at most this many times the network's size: a banner must not cost gigabytes."""
BANNER = 8
"""From this aspect on, ``center`` does not resize what it will crop away."""
MIN_SIZE, MAX_SIZE = 32, 1024


@dataclass(frozen=True)
class Preprocess:
    """What a network was trained to be fed with: (pixel / 255 - mean) / std in RGB."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    resize: int = 256
    """Shorter side before the centre crop, in pixels; never less than the crop."""
    size: int = 224
    """Side of the centre crop, in pixels."""
    interpolation: str = "bilinear"
    """bilinear or bicubic."""
    whole: int | None = None
    """Shorter side of ``whole``, in pixels; ``size`` where it is None."""
    whole_temperature: float = 1.0
    """What the logits of ``whole`` are divided by before the softmax (temperature scaling; Guo et al., ICML 2017).

    On a larger input than a network was trained with the order of its classes holds, but its logits shrink.
    """


@dataclass(frozen=True)
class Frame:
    """One image as the network will see it."""

    tensor: Tensor
    """(3, h, w), float32."""
    geometry: Geometry
    image: DecodedImage
    temperature: float = 1.0
    """Divides the logits."""


def frame(
    image: DecodedImage, preprocess: Preprocess, framing: str = "whole", size: int | None = None
) -> Frame:
    """Resizes, perhaps crops, and normalises.

    Args:
        image: An upright image.
        preprocess: The network's size and normalisation.
        framing: ``whole``: all of the image, aspect kept, sides rounded to a multiple of 32.
            ``center``: shorter side to ``resize``, then the centre square (the evaluation protocol).
        size: Another side than the network's own, in pixels; ``resize`` grows with it.

    Raises:
        ChoiceError: an unknown framing, or a size outside 32 to 1024.
    """
    wanted = input_size(preprocess, framing, size)
    resample = (
        Image.Resampling.BICUBIC if preprocess.interpolation == "bicubic" else Image.Resampling.BILINEAR
    )
    if framing == "whole":
        shrunk, window = _whole(image.rgb, wanted, resample)
    else:
        resize = max(wanted, round(wanted * preprocess.resize / preprocess.size))
        shrunk, window = _center(image.rgb, resize, wanted, resample)
    geometry = Geometry((image.width, image.height), shrunk.size, window, framing)
    temperature = preprocess.whole_temperature if framing == "whole" and size is None else 1.0
    return Frame(_normalise(shrunk, preprocess), geometry, image, temperature)


def input_size(preprocess: Preprocess, framing: str, size: int | None = None) -> int:
    """The shorter side of what the network sees, in pixels: ``size``, or the network's own for the framing.

    Raises:
        ChoiceError: an unknown framing, or a size outside 32 to 1024.
    """
    check_choice("framing", framing, FRAMINGS)
    own = preprocess.whole if framing == "whole" and preprocess.whole else preprocess.size
    wanted = own if size is None else size
    if not MIN_SIZE <= wanted <= MAX_SIZE:
        raise ChoiceError(f"size is {wanted}; choose {MIN_SIZE} to {MAX_SIZE} pixels.")
    return wanted


def whole_size(image: tuple[int, int], size: int) -> tuple[int, int]:
    """Width and height of ``whole`` for an image's: the shorter side ``size``, both a multiple of 32 pixels."""
    factor = min(size / min(image), MAX_ASPECT * size / max(image))
    width, height = (max(1, round(side * factor / STRIDE)) * STRIDE for side in image)
    return width, height


def _whole(image: Image.Image, size: int, resample: Image.Resampling) -> tuple[Image.Image, Box]:
    return image.resize(whole_size(image.size, size), resample), Box(
        0.0, 0.0, float(image.width), float(image.height)
    )


def _center(
    image: Image.Image, resize: int, crop: int, resample: Image.Resampling
) -> tuple[Image.Image, Box]:
    """Shorter side to ``resize``, longer side to the nearest whole number, offsets rounded down.

    This is not torchvision's rounding, which cuts the longer side down and rounds the offset: the base
    network's figure on the ten breeds, top-1 0.766, was measured with this one; torchvision's gives 0.750.

    Of a banner, which resized in full could fill the memory, only the crop is made. It is the same but for
    single bicubic pixels beside hard edges, since Pillow chooses its order of rows and columns by the size.
    """
    shorter = min(image.size)
    width, height = (round(resize * side / shorter) for side in image.size)
    left, top = (width - crop) // 2, (height - crop) // 2
    across, down = image.width / width, image.height / height
    window = Box(
        left * across,
        top * down,
        min((left + crop) * across, float(image.width)),
        min((top + crop) * down, float(image.height)),
    )
    if max(width, height) > BANNER * resize:
        return image.resize((crop, crop), resample, box=window), window
    return image.resize((width, height), resample).crop((left, top, left + crop, top + crop)), window


def _normalise(image: Image.Image, preprocess: Preprocess) -> Tensor:
    values = torch.from_numpy(np.array(image, np.float32)).permute(2, 0, 1)
    mean = 255 * torch.tensor(preprocess.mean).view(3, 1, 1)
    std = 255 * torch.tensor(preprocess.std).view(3, 1, 1)
    return ((values - mean) / std).contiguous()
