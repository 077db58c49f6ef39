"""Reads HEIC, the format of iPhones, where the optional package pillow-heif is installed (``sge-lens[heic]``).

It is no requirement because its wheels bundle libheif and libde265 (LGPL) with the encoder x265 (GPL). The plugin is not
registered with Pillow, so that nothing else in the process changes.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
from typing import Any

from PIL import Image

from sge.images.cicp import Stated, avif_space


def heic_is_readable() -> bool:
    """True if pillow-heif is installed."""
    return importlib.util.find_spec("pillow_heif") is not None


def open_heic(data: bytes) -> Image.Image:
    """The primary image before its pixels are decoded; libheif turns it as its properties say.

    Raises:
        Exception: of many kinds, if the file is damaged.
    """
    pillow_heif: Any = importlib.import_module("pillow_heif")
    image: Image.Image = pillow_heif.HeifImageFile(io.BytesIO(data))
    return image


def heic_space(image: Image.Image) -> Stated:
    """What the values mean if the file has no profile but states it by numbers."""
    numbers = image.info.get("nclx_profile")
    if image.info.get("icc_profile") or not isinstance(numbers, dict):
        return Stated()
    return avif_space(int(numbers["color_primaries"]), int(numbers["transfer_characteristics"]))
