"""Images as uint8 tensors for training: decoded once into a memory-mapped file, or each time they are asked for."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sge.datasets.archives import is_compressed
from sge.datasets.entries import ImageFile
from sge.datasets.labelled import decode_file
from sge.datasets.record_file import RecordFile, RecordWriter
from sge.errors import DataError, ImageError
from sge.images import DecodedImage, Preprocess, center_crop, resize

MAX_SHORTER_SIDE, MAX_ASPECT = 256, 1.5
"""Limits of an image that is kept for training: its shorter side in pixels, and its longer side as a multiple."""

Progress = Callable[[int], None]
"""Called with the number of images done so far."""
Prepare = Callable[[Image.Image], Image.Image]
"""Makes the image to keep from the decoded RGB image."""


def shrink(image: Image.Image) -> Image.Image:
    """Limits an image's size for training: the longer side is cropped, then the shorter side resized."""
    width, height = image.size
    longest = round(MAX_ASPECT * min(width, height))
    left, top = max(0, width - longest) // 2, max(0, height - longest) // 2
    image = image.crop((left, top, width - left, height - top))
    factor = MAX_SHORTER_SIDE / min(image.size)
    if factor >= 1:
        return image
    width, height = (max(1, round(side * factor)) for side in image.size)
    return resize(image, (width, height), "bicubic")


def evaluation_crop(preprocess: Preprocess) -> Prepare:
    """The crop that framing ``center`` takes, so that a cached image is evaluated exactly like a file."""
    return lambda image: center_crop(image, preprocess)[0]


class DecodedCache(Sequence[Tensor]):
    """Decoded images in a memory-mapped file; ``cache[i]`` is (3, h, w) uint8, RGB.

    Args:
        path: The file that ``write_cache`` wrote.
        only: Numbers of the images to use, in order; all by default.
        key: What the cache must have been made from; None accepts any.

    Raises:
        DataError: the file or its index is missing, damaged or was made from something else.
    """

    def __init__(self, path: Path, only: Sequence[int] | None = None, key: str | None = None) -> None:
        self._file = RecordFile(path, key)
        names = self._file.facts.get("names")
        if not isinstance(names, list) or len(names) != len(self._file):
            raise DataError(f"{path} is no cache of images. Delete {path.name}.json and start again.")
        self._numbers = range(len(names)) if only is None else only
        self.names: list[str] = [str(names[number]) for number in self._numbers]
        """Where each image came from."""

    @property
    def key(self) -> str:
        """What the cache was made from."""
        return self._file.key

    @property
    def skipped(self) -> list[str]:
        """Images that could not be read when the cache was made, one line each."""
        return list(self._file.facts.get("skipped", []))

    @property
    def notes(self) -> dict[str, list[str]]:
        """Names of images about which the decoder said something when the cache was made, with its sentences."""
        return dict(self._file.facts.get("notes", {}))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> Tensor:  # type: ignore[override]
        return _to_tensor(self._file.arrays(self._numbers[i])[0])


def write_cache(
    path: Path,
    images: Iterable[tuple[str, DecodedImage | ImageError]],
    progress: Progress | None = None,
    *,
    key: str = "",
    prepare: Prepare = shrink,
) -> list[str]:
    """Writes images into a ``DecodedCache``; those that could not be read are left out.

    Args:
        path: The data file; ``path.json`` becomes its index, written last.
        images: Names with images or errors, as ``sge.datasets.labelled.decode_files`` gives them.
        progress: Called with the number of images so far.
        key: What the images were made from; ``DecodedCache`` compares it.
        prepare: Makes the image to keep from the decoded one.

    Returns:
        The images that were left out, one line each.

    Raises:
        DataError: no image can be read.
    """
    names: list[str] = []
    skipped: list[str] = []
    notes: dict[str, list[str]] = {}
    with RecordWriter(path, ["uint8"]) as writer:
        for name, image in images:
            if isinstance(image, ImageError):
                skipped.append(f"{name}: {image}")
                continue
            writer.add([np.asarray(prepare(image.rgb))])
            names.append(name)
            if image.notes:
                notes[name] = list(image.notes)
            if progress is not None:
                progress(len(names))
        if not names:
            raise DataError("There is no image that can be read. Name folders or .tar files that hold some.")
        writer.finish(key, {"names": names, "skipped": skipped, "notes": notes})
    return skipped


class ImageFiles(Sequence[Tensor]):
    """Images of folders and uncompressed archives, decoded at each access; ``files[i]`` is (3, h, w) uint8, RGB.

    Args:
        files: From ``find_labelled`` or ``find_images``.
        prepare: Makes the image to give from the decoded one.
        key: What the images depend on, as in ``DecodedCache``.

    Raises:
        DataError: a compressed archive, whose members cannot be read in any order.
    """

    def __init__(self, files: Sequence[ImageFile], prepare: Prepare = shrink, key: str = "") -> None:
        self._files, self._prepare, self.key = files, prepare, key
        self.names = [file.name for file in files]
        """Where each image comes from."""
        for source in {file.source for file in files if file.member is not None}:
            if is_compressed(source):
                raise DataError(
                    f"{source} is compressed. Unpack the shard to a plain .tar, or have its images decoded ahead "
                    "(--decode ahead)."
                )

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, i: int) -> Tensor:  # type: ignore[override]
        """Decodes image ``i``.

        Raises:
            ImageError: it cannot be read.
        """
        return _to_tensor(np.array(self._prepare(decode_file(self._files[i]).rgb)))


def cache_key(files: Iterable[ImageFile], **settings: Any) -> str:
    """Hash that changes when images are added, removed or rewritten, or when a setting differs.

    Args:
        files: From ``find_labelled`` or ``find_images``. They are not read: names, sizes and modification times
            are compared, and those of an archive for its members.
        settings: JSON data.
    """
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for path in dict.fromkeys(file.path if file.member is None else file.source for file in files):
        key.update(os.fsencode(path.absolute()))
        try:
            stat = path.stat()
        except OSError:  # A link that leads nowhere, or a file that was deleted after it was listed.
            key.update(b"\ngone\n")
        else:
            key.update(f"\n{stat.st_size} {stat.st_mtime_ns}\n".encode())
    return key.hexdigest()


def _to_tensor(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)
