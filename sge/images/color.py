"""Converts any of Pillow's modes to 8-bit sRGB on white, the input that networks were trained on."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms


def to_rgb(image: Image.Image) -> Image.Image:
    """The image as RGB with 8 bits a channel: 16 bits scaled, transparency on white, color profile applied.

    Args:
        image: Of any mode that Pillow reads from a JPEG, PNG, WebP, GIF or AVIF.

    Returns:
        Mode RGB in sRGB. If the profile is damaged, the pixel values are taken as sRGB.
    """
    if image.mode.startswith("I"):
        image = _eight_bit(image)
    profile = image.info.get("icc_profile")
    if image.mode == "CMYK":
        return _in_srgb(image, profile) or image.convert("RGB")
    has_color = image.mode in ("RGB", "RGBA", "P")  # The profile of a gray image does not apply to RGB.
    rgb = _on_white(image)
    return (_in_srgb(rgb, profile) if has_color else None) or rgb


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    white.alpha_composite(rgba)
    return white.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scales 16-bit gray; Pillow's own conversion clips at 255, which turns most of these images white."""
    values = np.asarray(image)
    gray = np.rint(values.clip(0, 65535) / np.float32(257)).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        gray[values == transparent] = 255  # Transparency is shown on white.
    return Image.fromarray(gray)


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """The image in sRGB; None if there is no usable profile, or if the profile is sRGB."""
    if not profile:
        return None
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if image.mode == "RGB" and "srgb" in ImageCms.getProfileDescription(opened).lower():
            return None
        return ImageCms.profileToProfile(image, opened, ImageCms.createProfile("sRGB"), outputMode="RGB")
    # A damaged profile raises PyCMSError, OSError, ValueError, TypeError and others.
    except Exception:
        return None
