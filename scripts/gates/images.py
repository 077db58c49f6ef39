"""Images for gate tuning: decoded once to uint8 on the device, and random crops of them that the device computes."""

from __future__ import annotations

import io
import multiprocessing
import re
import tarfile
import zipfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

CANVAS = 272
"""Side of the square that each image is stored in, top left, in pixels; what is larger is cut to its center."""
UNSEEN = "ILSVRC2012_val"
"""Images with this in their name are measured on, so nothing may learn from them."""
DOGS = {
    "n02086240": 155, "n02087394": 159, "n02088364": 162, "n02089973": 167, "n02093754": 182,
    "n02096294": 193, "n02099601": 207, "n02105641": 229, "n02111889": 258, "n02115641": 273,
}  # fmt: skip
"""Name of the breed in WordNet to its class in ImageNet."""
SOURCES = ("dogs", "pets", "others")
MEAN, STD = 127.0, 128.0
"""Normalization of the network, in units of uint8."""
MONITORED = {"dogs": 40, "pets": 30, "others": 12}
"""One of so many images of a source is never learned from; the programs watch their progress on these."""
EVALUATION_CROP = 0.875
"""Side of the center crop as a fraction of the shorter side, as in the evaluation protocol."""


@dataclass
class Images:
    """All images on one device.

    Attributes:
        pixels: (N, 3, CANVAS, CANVAS), uint8.
        sizes: (N, 2), height and width, float32.
        labels: (N,), int64: ImageNet class, -1 if it is not known.
        learned: Source to the indices that are learned from.
        monitored: Source to the indices that are not.
    """

    pixels: Tensor
    sizes: Tensor
    labels: Tensor
    learned: dict[str, Tensor]
    monitored: dict[str, Tensor]


def load_images(
    archives: Sequence[Path],
    device: torch.device,
    *,
    unseen: Collection[str] = (),
    processes: int = 1,
    limit: int | None = None,
) -> Images:
    """Decodes archives of images; names tell source and class. Doubles by name are left out.

    Args:
        archives: Tar and zip files.
        device: Where the images go.
        unseen: Names within the archives of images that nothing learns from, beside those with ``UNSEEN``.
        processes: Number of processes that decode.
        limit: At most so many images of each source; None takes all.
    """
    found: dict[str, tuple[str, int, bytes]] = {}
    for archive in archives:
        for name, content in _members(archive):
            stem = Path(name).stem
            if UNSEEN not in name and name not in unseen and stem not in found:
                found[stem] = (*_source(stem), content)
    kept: list[tuple[str, int, bytes]] = []
    for source in SOURCES:
        kept += [entry for entry in found.values() if entry[0] == source][:limit]
    pixels = np.zeros((len(kept), 3, CANVAS, CANVAS), np.uint8)
    sizes = np.zeros((len(kept), 2), np.float32)
    for i, image in enumerate(_decode_all([entry[2] for entry in kept], processes)):
        height, width = image.shape[:2]
        pixels[i, :, :height, :width] = image.transpose(2, 0, 1)
        sizes[i] = height, width
    learned, monitored = {}, {}
    for source in SOURCES:
        indices = [i for i, entry in enumerate(kept) if entry[0] == source]
        watched = indices[:: MONITORED[source]]
        monitored[source] = torch.tensor(watched, dtype=torch.long, device=device)
        learned[source] = torch.tensor(sorted(set(indices) - set(watched)), dtype=torch.long, device=device)
    labels = torch.tensor([entry[1] for entry in kept], device=device)
    stored = torch.from_numpy(pixels).to(device), torch.from_numpy(sizes).to(device)
    return Images(*stored, labels, learned, monitored)


def _decode_all(contents: list[bytes], processes: int) -> Iterator[npt.NDArray[np.uint8]]:
    if processes == 1:
        yield from map(_decoded, contents)
        return
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap(_decoded, contents, chunksize=32)


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as files:
            for name in files.namelist():
                if not name.endswith("/"):
                    yield name, files.read(name)
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and (file := tar.extractfile(member)) is not None:
                yield member.name, file.read()


def _source(stem: str) -> tuple[str, int]:
    if match := re.search(r"(n0\d{7})_\d+$", stem):
        return "dogs", DOGS.get(match[1], -1)
    if match := re.match(r"(\d{3})_n\d{8}_", stem):
        return "others", int(match[1])
    return "pets", -1


def _decoded(content: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(content)) as image:
        array = np.asarray(image.convert("RGB"))
    top, left = (max(0, extent - CANVAS) // 2 for extent in array.shape[:2])
    return array[top : top + CANVAS, left : left + CANVAS]


@dataclass(frozen=True)
class CropSettings:
    """What is drawn for each batch.

    Attributes:
        parts: Source to its fraction of the batch.
        zoomed_out: Fraction of the crops that show more than the image, whose edges are then mirrored.
        blended: Fraction of the crops, at most a half, that are mixed with another one, whose weight is up to a half.
        tiled: Fraction of the crops, at most a quarter, that are made of four crops at half size.
        jitter: Largest relative change of brightness, contrast and saturation of every second crop.
    """

    parts: dict[str, float]
    zoomed_out: float = 0.5
    blended: float = 0.25
    tiled: float = 0.06
    jitter: float = 0.2


def random_crops(
    images: Images, settings: CropSettings, batch: int, size: int, generator: torch.Generator
) -> Tensor:
    """(batch, 3, size, size), float32, normalized."""
    device = images.pixels.device
    known = {source: part for source, part in settings.parts.items() if len(images.learned[source])}
    counts = [round(batch * part / sum(known.values())) for part in known.values()]
    counts[0] += batch - sum(counts)
    chosen = []
    for source, count in zip(known, counts, strict=True):
        pool = images.learned[source]
        chosen.append(pool[torch.randint(len(pool), (count,), device=device, generator=generator)])
    indices = torch.cat(chosen)[torch.randperm(batch, device=device, generator=generator)]
    far = round(settings.zoomed_out * batch)
    near = _cut(images, indices[far:], size, (0.8, 1.0), generator)
    crops = torch.cat([_cut(images, indices[:far], size, (1.0, 1.6), generator), near])
    crops = _jittered(crops, settings.jitter, generator)[
        torch.randperm(batch, device=device, generator=generator)
    ]
    mixed, tiles = round(settings.blended * batch), round(settings.tiled * batch)
    if 0 < 2 * mixed <= batch:
        share = 0.5 * torch.rand(mixed, 1, 1, 1, device=device, generator=generator)
        crops[-mixed:] = crops[-mixed:].lerp(crops[:mixed], share)
    if 0 < 4 * tiles <= batch and size % 2 == 0:
        one, two, three, four = torch.split(F.avg_pool2d(crops[: 4 * tiles], 2), tiles)
        crops[:tiles] = torch.cat([torch.cat([one, two], 3), torch.cat([three, four], 3)], 2)
    return (crops - MEAN) / STD


def center_crops(images: Images, indices: Tensor, size: int) -> Tensor:
    """(N, 3, size, size), float32, normalized: the center of each image, as in the evaluation protocol."""
    height, width = images.sizes[indices].unbind(1)
    side = EVALUATION_CROP * torch.minimum(height, width)
    ones = torch.ones_like(side)
    return (
        _sampled(images, indices, size, (height / 2, width / 2), (side, side), ones, "bicubic") - MEAN
    ) / STD


def _cut(
    images: Images, indices: Tensor, size: int, sides: tuple[float, float], generator: torch.Generator
) -> Tensor:
    """Crops whose side is a random fraction of the image's shorter side, half of them flipped, in units of uint8."""
    height, width = images.sizes[indices].unbind(1)
    draws = torch.rand(5, len(indices), device=indices.device, generator=generator)
    side = torch.minimum(height, width) * (sides[0] + (sides[1] - sides[0]) * draws[0])
    stretch = torch.exp(0.1 * (2 * draws[1] - 1))
    tall, wide = side * stretch, side / stretch
    # The center lies where the crop stays inside, or where it shows as little as possible of the mirrored edges.
    y = height / 2 + (draws[2] - 0.5) * (height - tall).abs()
    x = width / 2 + (draws[3] - 0.5) * (width - wide).abs()
    flip = torch.where(draws[4] < 0.5, -1.0, 1.0)
    if sides[1] > 1:  # Four samples for each pixel, because these crops may be reduced.
        return F.avg_pool2d(_sampled(images, indices, 2 * size, (y, x), (tall, wide), flip, "bilinear"), 2)
    return _sampled(images, indices, size, (y, x), (tall, wide), flip, "bicubic")


def _sampled(
    images: Images,
    indices: Tensor,
    size: int,
    center: tuple[Tensor, Tensor],
    extent: tuple[Tensor, Tensor],
    flip: Tensor,
    mode: str,
) -> Tensor:
    steps = (torch.arange(size, device=indices.device) + 0.5) / size - 0.5
    sides = images.sizes[indices].unbind(1)
    axes = []
    for middle, length, side, sign in zip(center, extent, sides, (torch.ones_like(flip), flip), strict=True):
        # Mirrored at both edges; bicubic samples reach two pixels beyond, so they keep that distance.
        last = (side - 1)[:, None]
        place = (middle[:, None] + sign[:, None] * length[:, None] * steps - 0.5).remainder(2 * last)
        place = (last - (last - place).abs()).clamp(min=0)
        axes.append((2 * torch.minimum(place, last) + 1) / CANVAS - 1)
    rows, cols = axes
    grid = torch.stack([cols[:, None, :].expand(-1, size, -1), rows[:, :, None].expand(-1, -1, size)], 3)
    found = F.grid_sample(
        images.pixels[indices].float(), grid, mode=mode, padding_mode="border", align_corners=False
    )
    return found.clamp(0, 255)


def _jittered(crops: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    draws = 2 * torch.rand(4, len(crops), 1, 1, 1, device=crops.device, generator=generator) - 1
    factors = 1 + strength * draws[:3] * (draws[3] > 0)
    gray = crops.mean(1, keepdim=True)
    crops = gray + (crops - gray) * factors[0]
    middle = crops.mean((1, 2, 3), keepdim=True)
    return ((middle + (crops - middle) * factors[1]) * factors[2]).clamp(0, 255)
