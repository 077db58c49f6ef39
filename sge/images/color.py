"""Converts any of Pillow's modes to 8-bit sRGB on white, the input that networks were trained on."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from sge.images.cicp import Space
from sge.images.hdr import HdrSpace, hdr_to_srgb
from sge.images.profiles import DAMAGED_PROFILE, OTHER_PROFILE, SRGB, for_lcms, gamma_space, profile_space
from sge.images.value_range import is_scaled, scaled

_KINDS = {"1": "GRAY", "L": "GRAY", "LA": "GRAY", "La": "GRAY", "CMYK": "CMYK", "LAB": "LAB"}
"""Kind of the values by mode; RGB for all others. 16-bit and floating-point gray becomes L before."""
_SAME = 1
"""A profile that moves no color by more levels than this is sRGB."""


@dataclass(frozen=True)
class Shown:
    """An image as it is shown."""

    rgb: Image.Image
    """Mode RGB, sRGB, transparency on white; the given image itself if that is so already."""
    notes: tuple[str, ...] = ()


def show(image: Image.Image, space: Space | None = None) -> Shown:
    """The image as RGB with 8 bits a channel: values scaled, color space converted, transparency on white.

    Args:
        image: Of any mode of Pillow.
        space: What the values mean, also those of a gray image, if the file states it elsewhere than in the profile
            that Pillow passes on. By default that profile counts, and without one the gamma of a PNG.

    Raises:
        ImageError: values outside of any known range.
    """
    notes: list[str] = []
    info = image.info
    if is_scaled(image.mode):
        image, range_notes = scaled(image)
        notes.extend(range_notes)
    if space is None:
        space, space_notes = _stated(info, _KINDS.get(image.mode, "RGB"))
        notes.extend(space_notes)
    if image.mode == "CMYK":
        return Shown(_from_inks(image, space, notes), tuple(notes))
    color, alpha = _without_alpha(image)
    rgb = _in_srgb(color, space, notes)
    if alpha is not None:
        rgb = Image.composite(rgb, Image.new("RGB", rgb.size, "white"), alpha)
    return Shown(rgb, tuple(notes))


def _stated(info: Mapping[Any, Any], kind: str) -> tuple[Space | None, tuple[str, ...]]:
    """What Pillow says that the values mean, by the rules of a PNG: profile, sRGB, gamma with primaries."""
    notes: tuple[str, ...] = ()
    if kind == "LAB":  # Its values mean the same with every profile; Pillow converts them.
        return None, ()
    profile = info.get("icc_profile")
    if profile:
        space = profile_space(profile) if isinstance(profile, bytes) else None
        if space == kind and isinstance(profile, bytes):
            return profile, ()
        notes = (DAMAGED_PROFILE if space is None else OTHER_PROFILE,)
    gamma = info.get("gamma")
    if kind not in ("RGB", "GRAY") or "srgb" in info or not isinstance(gamma, float) or gamma <= 0:
        return None, notes
    return gamma_space(gamma, info.get("chromaticity")), notes


def _without_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Gray (L) or color (RGB) values that are not premultiplied, and their opacity (L); None if all are opaque."""
    if image.mode == "La":
        image = image.convert("LA")
    gray = image.mode in ("1", "L", "LA")
    if not image.has_transparency_data:
        return _as(image, "L" if gray else "RGB"), None
    if image.mode == "RGB":
        return _without_key(image)
    whole = image.convert("LA" if gray else "RGBA")
    *bands, alpha = whole.split()
    return (bands[0] if gray else Image.merge("RGB", bands)), alpha


def _without_key(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """A color image of which one color, a triple of bytes in its info, is transparent."""
    hidden = image.info["transparency"]
    if not (isinstance(hidden, tuple) and len(hidden) == 3 and all(0 <= value <= 255 for value in hidden)):
        return image, None
    return image, image.convert("RGBA").getchannel("A")


def _as(image: Image.Image, mode: str) -> Image.Image:
    """The image in a mode; itself if it has that mode."""
    return image if image.mode == mode else image.convert(mode)


def _in_srgb(color: Image.Image, space: Space | None, notes: list[str]) -> Image.Image:
    """Gray or color values as sRGB."""
    if space is None:
        return _as(color, "RGB")
    if isinstance(space, HdrSpace):
        return hdr_to_srgb(_as(color, "RGB"), space)
    try:
        if color.mode == "L" and profile_space(space) == "GRAY":
            return _by_table(color, space)
        rgb = _as(color, "RGB")
        return rgb if _is_srgb(space) else _converted(rgb, space)
    except Exception:  # A damaged profile raises PyCMSError, OSError, ValueError, TypeError and others.
        notes.append(DAMAGED_PROFILE)
        return _as(color, "RGB")


def _from_inks(image: Image.Image, space: Space | None, notes: list[str]) -> Image.Image:
    """CMYK as sRGB: by its profile, or without one each color times the paper that black leaves."""
    if isinstance(space, bytes):
        try:
            return _converted(image, space)
        except Exception:  # As above.
            notes.append(DAMAGED_PROFILE)
    return image.convert("RGB")


def _converted(image: Image.Image, profile: bytes) -> Image.Image:
    opened = ImageCms.ImageCmsProfile(io.BytesIO(for_lcms(profile)))
    result = ImageCms.profileToProfile(
        image, opened, ImageCms.ImageCmsProfile(io.BytesIO(SRGB)), outputMode="RGB"
    )
    assert result is not None
    return result


def _by_table(gray: Image.Image, profile: bytes) -> Image.Image:
    """A gray image converted by the colors of its 256 values."""
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    bands = _converted(ramp, profile).split()
    return Image.merge("RGB", [gray.point(list(band.tobytes())) for band in bands])


def _is_srgb(profile: bytes) -> bool:
    """True if the profile, whatever its name, moves no color of a lattice: then the values are sRGB already."""
    steps = np.array([0, 6, 14, 28, 56, 104, 152, 204, 255], np.uint8)  # Curves differ most near black.
    lattice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(27, 27, 3)
    moved = np.asarray(_converted(Image.fromarray(lattice), profile)).astype(int) - lattice
    return bool(np.abs(moved).max() <= _SAME)
