"""Synthesised image files of every format and mode, each with the pixels that it shows."""

from __future__ import annotations

from functools import cache

from tests.decoder_cases.apng_cases import apng_cases
from tests.decoder_cases.avif_cases import avif_cases
from tests.decoder_cases.case import Case
from tests.decoder_cases.jpeg_cases import jpeg_cases
from tests.decoder_cases.png_cases import png_cases
from tests.decoder_cases.png_color_cases import png_color_cases
from tests.decoder_cases.webp_gif_cases import webp_gif_cases

__all__ = ["Case", "all_cases"]

_SETS = (png_cases, png_color_cases, apng_cases, jpeg_cases, webp_gif_cases, avif_cases)


@cache
def all_cases() -> list[Case]:
    """Every file, in a fixed order; the names differ."""
    return [case for cases in _SETS for case in cases()]
