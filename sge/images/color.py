"""Any of Pillow's modes to 8-bit sRGB on white, as networks were trained on."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms


def to_rgb(image: Image.Image) -> Image.Image:
    """The image as RGB, 8 bits a channel: 16 bits scaled, transparency on white, its colour profile applied.

    Args:
        image: Of any mode that Pillow reads from a JPEG, PNG, WebP, GIF or AVIF.

    Returns:
        Mode RGB in sRGB. A damaged profile does not cost the image: the numbers are then taken as sRGB.
    """
    if image.mode.startswith("I"):
        image = _sixteen_to_eight_bits(image)
    profile = image.info.get("icc_profile")
    if image.mode == "CMYK":
        return _in_srgb(image, profile) or image.convert("RGB")
    coloured = image.mode in ("RGB", "RGBA", "P")  # a grey image's profile says nothing about RGB
    rgb = _on_white(image)
    return (_in_srgb(rgb, profile) if coloured else None) or rgb


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    page = Image.new("RGBA", rgba.size, "white")
    page.alpha_composite(rgba)
    return page.convert("RGB")


def _sixteen_to_eight_bits(image: Image.Image) -> Image.Image:
    """Pillow's own conversion clips at 255, which turns most 16-bit images white."""
    values = np.asarray(image)
    grey = np.rint(values.clip(0, 65535) / np.float32(257)).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255  # on white, as all transparency
    return Image.fromarray(grey)


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """None where there is no usable profile, or where it is sRGB already."""
    if not profile:
        return None
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if image.mode == "RGB" and "srgb" in ImageCms.getProfileDescription(opened).lower():
            return None
        return ImageCms.profileToProfile(image, opened, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except Exception:  # PyCMSError, OSError, ValueError, TypeError: whatever a damaged profile provokes
        return None
