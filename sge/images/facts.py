"""What is known of an image without its pixels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageFacts:
    """Facts of a decoded image, where its pixels are somewhere else: in a worker process, or nowhere any more."""

    width: int
    """Of the upright image, in pixels; height likewise."""
    height: int
    format: str
    """As ``DecodedImage.format``."""
    sha256: str
    """Hash of the file's bytes."""
    name: str | None = None
    """File name without folders; None if unknown."""
    notes: tuple[str, ...] = ()
    """What the decoder warned about or assumed, as full sentences."""
