"""Many images decoded once into one memory-mapped file, so that training does not decode them at every step."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sge.errors import ChoiceError, ImageError
from sge.files import write_atomically
from sge.images.decode import decode

SHORTER, ASPECT = 256, 1.5
"""Largest shorter side that is kept, in pixels; a longer side is cropped to this many times the shorter."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif")
Progress = Callable[[int], None]


class DecodedCache(Sequence[Tensor]):
    """Images on disk as bytes; ``store[i]`` is (3, H, W) uint8, RGB.

    Args:
        path: The file that ``write_store`` has written.
        only: Use only these, by number.

    Raises:
        ChoiceError: the file or its index is not there, or they do not belong together.
    """

    def __init__(self, path: Path, only: Sequence[int] | None = None) -> None:
        try:
            index = json.loads(_index(path).read_text("utf-8"))
            entries = [(str(name), int(at), int(h), int(w)) for name, at, h, w in index["images"]]
            self._bytes = np.memmap(path, np.uint8, "r")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ChoiceError(f"{path} is no store of images ({error}). Make it again.") from error
        if sum(3 * h * w for _, _, h, w in entries) != len(self._bytes):
            raise ChoiceError(f"{path} and its index do not belong together. Make it again.")
        self._entries = entries if only is None else [entries[i] for i in only]

    @property
    def names(self) -> list[str]:
        """Where each image came from."""
        return [name for name, _, _, _ in self._entries]

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, i: int) -> Tensor:  # type: ignore[override]
        _, at, height, width = self._entries[i]
        pixels = np.array(self._bytes[at : at + 3 * height * width]).reshape(height, width, 3)
        return torch.from_numpy(pixels).permute(2, 0, 1)


def write_cache(
    path: Path, images: Iterable[tuple[str, bytes]], progress: Progress | None = None
) -> list[str]:
    """Decodes images into a store; one that is broken is left out.

    Args:
        path: Where to; ``path.json`` beside it is the index, written last.
        images: Names and files' bytes.
        progress: Called with the number of images so far.

    Returns:
        What was left out, a line each.

    Raises:
        ChoiceError: no image is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _index(path).unlink(missing_ok=True)
    entries: list[tuple[str, int, int, int]] = []
    failed: list[str] = []
    with path.open("wb") as file:
        for name, data in images:
            try:
                pixels = np.asarray(shrunk(decode(data).rgb))
            except ImageError as error:
                failed.append(f"{name}: {error}")
                continue
            entries.append((name, file.tell(), pixels.shape[0], pixels.shape[1]))
            file.write(pixels.tobytes())
            if progress is not None:
                progress(len(entries))
    if not entries:
        raise ChoiceError("There is no image to learn from. Name folders or .tar files that hold some.")
    write_atomically(_index(path), json.dumps({"images": entries}).encode())
    return failed


def images_in(source: Path) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of the images in a folder (with all below it), a ``.tar``, or of one image.

    Raises:
        ChoiceError: no such path, or a damaged archive.
    """
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.suffix.lower() in SUFFIXES and path.is_file():
                yield str(path.relative_to(source)), path.read_bytes()
    elif source.suffix.lower() in SUFFIXES and source.is_file():
        yield source.name, source.read_bytes()
    else:
        yield from _in_tar(source)


def _in_tar(source: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(source) as archive:
            for member in archive:
                if member.isfile() and member.name.lower().endswith(SUFFIXES):
                    file = archive.extractfile(member)
                    if file is not None:
                        yield member.name, file.read()
    except (OSError, tarfile.TarError) as error:
        raise ChoiceError(
            f"{source} is no folder, .tar or image that can be read ({error}). Name one that is."
        ) from error


def _index(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def shrunk(image: Image.Image) -> Image.Image:
    """At most ``SHORTER`` pixels on the shorter side, and the longer one cropped to ``ASPECT`` times that."""
    width, height = image.size
    longest = round(ASPECT * min(width, height))
    left, top = max(0, width - longest) // 2, max(0, height - longest) // 2
    image = image.crop((left, top, width - left, height - top))
    factor = SHORTER / min(image.size)
    if factor >= 1:
        return image
    wide, high = (max(1, round(side * factor)) for side in image.size)
    return image.resize((wide, high), Image.Resampling.BICUBIC)
