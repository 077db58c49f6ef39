"""Images of the comparison of attention modules: decoded once, cropped and changed in batches on the device.

All random numbers come from torch's generator of the device, so that a seed decides them on one kind of device.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from scripts.common import decoded
from sge.datasets import find_labelled

SQUARE, QUALITY = 183, 85
"""Side of the squares that are measured, in pixels, and the quality of the WebP files that they pass through."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
JITTER, GRAY, ERASED = 0.3, 0.1, 0.25
"""Strength of the color jitter, and shares of gray images and of images with an erased rectangle."""


@dataclass(frozen=True)
class ImageSet:
    """Labelled images as one tensor; images smaller than it lie in its upper left corner."""

    pixels: Tensor
    """(N, h, w, 3), uint8, RGB."""
    extent: Tensor
    """(N, 2), float32: height and width of each image, in pixels."""
    targets: Tensor
    """(N,), int64: the number of each image's folder, in alphabetical order."""
    folders: list[str]

    def to(self, device: torch.device) -> ImageSet:
        """The same on a device."""
        return ImageSet(self.pixels.to(device), self.extent.to(device), self.targets.to(device), self.folders)


def load_images(source: Path, prepare: Callable[[Image.Image], Image.Image] | None = None) -> ImageSet:
    """Decodes a labelled set.

    Args:
        source: A folder with one folder for each class, or a ``.tar`` with such members.
        prepare: Changes each decoded image.

    Raises:
        DataError: The source is missing or holds no images.
        ImageError: An image cannot be read.
    """
    files = sorted(find_labelled([source]).files, key=lambda file: file.name)
    folders = sorted({file.folder for file in files})
    images = [np.asarray(prepare(one.rgb) if prepare else one.rgb) for one in decoded(files)]
    extent = np.array([image.shape[:2] for image in images])
    pixels = np.zeros((len(images), *extent.max(0), 3), np.uint8)
    for row, image in zip(pixels, images, strict=True):
        row[: image.shape[0], : image.shape[1]] = image
    targets = torch.tensor([folders.index(file.folder) for file in files])
    return ImageSet(torch.from_numpy(pixels), torch.from_numpy(extent).float(), targets, folders)


def square(image: Image.Image) -> Image.Image:
    """The center square of an image, as a WebP file of ``QUALITY`` shows it."""
    scale = SQUARE / min(image.size)
    width, height = (max(SQUARE, round(side * scale)) for side in image.size)
    left, top = (width - SQUARE) // 2, (height - SQUARE) // 2
    reduced = image.resize((width, height), Image.Resampling.BILINEAR)
    stored = io.BytesIO()
    reduced.crop((left, top, left + SQUARE, top + SQUARE)).save(stored, "WEBP", quality=QUALITY, method=6)
    return Image.open(stored, formats=["WEBP"]).convert("RGB")


def normalized(images: Tensor) -> Tensor:
    """The networks' input, in channels-last order, from RGB images (B, 3, s, s) between 0 and 1."""
    mean, std = (torch.tensor(values, device=images.device).view(1, 3, 1, 1) for values in (MEAN, STD))
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


@cache
def _resize_matrix(source: int, target: int, device: torch.device) -> Tensor:
    """Weights (target, source) of bilinear resizing with antialiasing, along one side."""
    identity = torch.eye(source)[None, None]
    rows = F.interpolate(identity, (target, source), mode="bilinear", antialias=True, align_corners=False)
    return rows[0, 0].to(device)


def resized(images: Tensor, size: int) -> Tensor:
    """Resizes square images (..., s, s) to (..., size, size), bilinearly with antialiasing."""
    if images.shape[-1] == size:
        return images
    matrix = _resize_matrix(images.shape[-1], size, images.device).to(images.dtype)
    return matrix @ images @ matrix.T


def center_crops(images: ImageSet, chosen: Tensor, size: int) -> Tensor:
    """Center crops of square images as networks see them in a test.

    Args:
        images: Squares of ``SQUARE`` pixels.
        chosen: (B,), numbers of images.
        size: Side of the crop; the image is resized to 256 / 224 of it, but never enlarged.

    Returns:
        (B, 3, size, size), between 0 and 1.
    """
    side = int(images.extent[0, 0])
    pixels = images.pixels[chosen, :side, :side].permute(0, 3, 1, 2).contiguous().float() / 255
    whole = resized(pixels, min(round(size * 256 / 224), side)).clamp(0, 1)
    margin = (whole.shape[-1] - size) // 2
    return whole[..., margin : margin + size, margin : margin + size]


def random_crops(images: ImageSet, chosen: Tensor, size: int, scale: Sequence[float]) -> Tensor:
    """Random crops, half of them mirrored, resized to a square bilinearly.

    Args:
        images: The set.
        chosen: (B,), numbers of images.
        size: Side in pixels; it should not be much smaller than the images, since nothing is averaged.
        scale: Smallest and largest area, as fractions of the image's area.

    Returns:
        (B, 3, size, size), between 0 and 1.
    """
    device, extent = chosen.device, images.extent[chosen]
    draw = torch.rand(5, len(chosen), device=device)
    area = extent.prod(1) * (scale[0] + (scale[1] - scale[0]) * draw[0])
    ratio = torch.exp((draw[1] * 2 - 1) * math.log(4 / 3))
    height = torch.minimum((area / ratio).sqrt(), extent[:, 0])
    width = torch.minimum((area * ratio).sqrt(), extent[:, 1])
    middle_y = height / 2 + draw[2] * (extent[:, 0] - height)
    middle_x = width / 2 + draw[3] * (extent[:, 1] - width)
    step = (torch.arange(size, device=device) + 0.5) / size - 0.5
    y = middle_y[:, None] + step * height[:, None]
    x = middle_x[:, None] + step * (width * torch.where(draw[4] < 0.5, -1.0, 1.0))[:, None]
    # Nothing is read from the black canvas beyond the image.
    y = torch.minimum(y.clamp_min(0.5), extent[:, :1] - 0.5)
    x = torch.minimum(x.clamp_min(0.5), extent[:, 1:] - 0.5)
    rows, columns = images.pixels.shape[1:3]
    shape = (len(chosen), size, size)
    grid = torch.stack(
        [(x * 2 / columns - 1)[:, None, :].expand(shape), (y * 2 / rows - 1)[:, :, None].expand(shape)], -1
    )
    pixels = images.pixels[chosen].permute(0, 3, 1, 2).float() / 255
    return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)


def jittered(images: Tensor) -> Tensor:
    """Changes brightness, contrast, saturation and tint of each image (B, 3, s, s); some become gray."""
    draw = torch.rand(4, len(images), 1, 1, 1, device=images.device)
    brightness, contrast, saturation = (1 + JITTER * (draw[:3] * 2 - 1)).unbind(0)
    tint = 1 + 0.1 * JITTER * (torch.rand(len(images), 3, 1, 1, device=images.device) * 2 - 1)
    saturation = torch.where(draw[3] < GRAY, torch.zeros_like(saturation), saturation)
    weights = torch.tensor([0.299, 0.587, 0.114], device=images.device).view(1, 3, 1, 1)
    luma = (images * weights).sum(1, keepdim=True)
    images = (luma + saturation * (images - luma)) * tint
    mean = luma.mean((2, 3), keepdim=True)
    return ((mean + contrast * (images - mean)) * brightness).clamp(0, 1)


def erased(images: Tensor) -> Tensor:
    """Fills a random rectangle of 2 to 20 percent of the area with the mean color, in some of the images."""
    size, device = images.shape[-1], images.device
    draw = torch.rand(5, len(images), 1, 1, device=device)
    area, ratio = 0.02 + 0.18 * draw[0], torch.exp((draw[1] * 2 - 1) * math.log(3.0))
    height, width = (area / ratio).sqrt().clamp(max=1), (area * ratio).sqrt().clamp(max=1)
    top, left = draw[2] * (1 - height), draw[3] * (1 - width)
    at = (torch.arange(size, device=device) + 0.5) / size
    rows = (at[None, :, None] >= top) & (at[None, :, None] < top + height)
    columns = (at[None, None, :] >= left) & (at[None, None, :] < left + width)
    inside = (rows & columns & (draw[4] < ERASED))[:, None]
    return torch.where(inside, torch.tensor(MEAN, device=device).view(1, 3, 1, 1), images)
