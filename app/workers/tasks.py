"""What worker processes do: each task decodes the upload anew, and answers with small data."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from sge.analysis import Analysis, draw_contact_sheet
from sge.analysis import draw_overlay as draw
from sge.analysis import encode_image as encode
from sge.analysis import html_report as report
from sge.arrays import Array
from sge.images import (
    DecodedImage,
    Frame,
    Geometry,
    ImageFacts,
    Preprocess,
    StructureLimits,
    decode,
    frame_pixels,
    inspect,
    jpeg_scale,
    normalize,
)

SHEET_PNG = {"compress_level": 4}
"""Compression of a few flat colors."""
PHOTO_PNG = {"compress_level": 6, "compress_type": zlib.Z_RLE}
"""Compression of a photo: 0.6 of the time of level 4, and no larger, because photos hardly repeat themselves."""


@dataclass(frozen=True)
class Encoded:
    """An image as a file's content."""

    data: bytes
    media_type: str
    facts: ImageFacts
    """Of the image that was decoded, not of the file."""


@dataclass(frozen=True)
class Prepared:
    """A framed image, ready for a network."""

    size: tuple[int, int]
    """Width and height of the input."""
    content: bytes
    """Its RGB pixels, one byte a channel, row by row."""
    geometry: Geometry
    facts: ImageFacts
    temperature: float
    """Divides the logits."""
    preview: Encoded | None = None
    """The decoded image, made smaller, if it was asked for."""

    @property
    def pixels(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """RGB, uint8, (height, width, 3); read-only."""
        width, height = self.size
        return np.frombuffer(self.content, np.uint8).reshape(height, width, 3)

    def frame(self, preprocess: Preprocess) -> Frame:
        """The network's input, normalized here."""
        return Frame(normalize(self.pixels, preprocess), self.geometry, self.facts, self.temperature)


def ping() -> str:
    """Answers at once: the worker is there."""
    return "pong"


def prepare(
    data: bytes,
    name: str | None,
    preprocess: Preprocess,
    framing: str,
    limits: StructureLimits,
    preview: int = 0,
    draft: bool = False,
) -> Prepared:
    """Decodes an upload and frames it for a network.

    Args:
        data: The upload.
        name: Its file name, if it has one.
        preprocess: Of the network.
        framing: ``whole`` or ``center``.
        limits: Of the file's structure.
        preview: Longest side of the decoded image that is wanted as well, in pixels; 0 for none.
        draft: Whether a large JPEG may be decoded smaller; see ``sge.images.jpeg_scale``.

    Raises:
        ImageError: it cannot be decoded.
    """
    scale = jpeg_scale(inspect(data, limits), preprocess, framing, preview) if draft else 1
    image = decode(data, name=name, limits=limits, scale=scale)
    pixels, geometry, temperature = frame_pixels(image, preprocess, framing)
    shown = _encoded(image, preview, "auto") if preview else None
    return Prepared(pixels.size, pixels.tobytes(), geometry, image.facts, temperature, shown)


def encode_image(data: bytes, max_side: int | None, format: str, limits: StructureLimits) -> Encoded:
    """The decoded image as PNG or JPEG; the options are those of ``sge.analysis.encode_image``.

    Raises:
        ImageError: it cannot be decoded.
    """
    return _encoded(_decoded(data, limits), max_side, format)


def draw_overlay(
    data: bytes,
    analysis: Analysis,
    block: str,
    groups: Sequence[int],
    options: dict[str, Any],
    limits: StructureLimits,
) -> bytes:
    """A PNG of the upload with maps over it; ``options`` are those of ``sge.analysis.draw_overlay``.

    Args:
        data: The image that was analyzed.
        analysis: With the maps of ``block``; it needs neither image nor other maps. See ``only_block``.
        block: A block's name.
        groups: Numbers of its groups.
        options: Signal, colormap and so on.
        limits: Of the file's structure.

    Raises:
        SGEError: it cannot be decoded, or an option has no such value.
    """
    analysis = replace(analysis, image=_decoded(data, limits).rgb)
    return _png(draw(analysis, block, groups, **options), PHOTO_PNG)


def draw_sheet(analysis: Analysis, block: str, signal: str, groups: Sequence[int] | None) -> bytes:
    """A PNG of a block's groups, side by side; the analysis needs no image.

    Raises:
        SGEError: no such block, group or signal.
    """
    return _png(draw_contact_sheet(analysis, block, signal=signal, groups=groups), SHEET_PNG)


def html_report(data: bytes, analysis: Analysis, view: str | None, limits: StructureLimits) -> bytes:
    """The stand-alone report, UTF-8.

    Raises:
        SGEError: it cannot be decoded, or a number is not finite.
    """
    return report(replace(analysis, image=_decoded(data, limits).rgb), view).encode()


def only_block(analysis: Analysis, block: str) -> Analysis:
    """The analysis with the maps of one block and without its image, which is quick to send to a worker."""
    return replace(
        analysis,
        image=None,
        masks=_only(analysis.masks, block),
        similarity=_only(analysis.similarity, block),
        energy=_only(analysis.energy, block),
        part_maps={},
        attribution=None,
        ablation=None,
    )


def _only(maps: dict[str, Array], block: str) -> dict[str, Array]:
    return {name: values for name, values in maps.items() if name == block}


def _decoded(data: bytes, limits: StructureLimits) -> DecodedImage:
    return decode(data, limits=limits)


def _encoded(image: DecodedImage, max_side: int | None, format: str) -> Encoded:
    made = encode(image.rgb, max_side, format)
    return Encoded(made.data, made.media_type, image.facts)


def _png(image: Image.Image, options: dict[str, int]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()
