"""HEIC, where pillow-heif is installed."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from sge.errors import BrokenImageError, TooManyPixelsError
from sge.images.decoding import decode
from tests.decoder_cases.icc import SRGB_CURVE, parametric_curve, rgb_profile
from tests.decoder_cases.png_color_cases import SWAPPED
from tests.drawn_images import exif, scene

pillow_heif = pytest.importorskip("pillow_heif", reason="no pillow-heif here: pip install sge-lens[heic]")


def heic(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    pillow_heif.from_pillow(image).save(out, quality=-1, chroma=444, **options)
    return out.getvalue()


def test_a_heic_image_is_read_and_pillow_stays_as_it_was() -> None:
    before = set(Image.registered_extensions())
    image = decode(heic(scene()))
    assert (image.format, image.notes, image.rgb.size) == ("HEIC", (), scene().size)
    assert np.abs(np.asarray(image.rgb).astype(int) - np.asarray(scene())).max() <= 4
    assert set(Image.registered_extensions()) == before


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation(turn: int) -> None:
    from tests.drawn_images import STORED_AS

    way = STORED_AS[turn]
    stored = scene() if way is None else scene().transpose(way)
    image = decode(heic(stored, exif=exif(turn)))
    assert image.rgb.size == scene().size
    assert np.abs(np.asarray(image.rgb).astype(int) - np.asarray(scene())).max() <= 4


def test_transparency_and_profiles() -> None:
    clear = scene().convert("RGBA")
    clear.putalpha(0)
    assert (np.asarray(decode(heic(clear)).rgb) == 255).all()
    profile = rgb_profile(SWAPPED, parametric_curve(*SRGB_CURVE))
    swapped = scene()
    swapped.info["icc_profile"] = profile
    red, green, blue = scene().split()
    wanted = np.asarray(Image.merge("RGB", (green, red, blue))).astype(int)
    assert np.abs(np.asarray(decode(heic(swapped)).rgb) - wanted).max() <= 6


def test_damaged_and_large_ones_are_refused_with_a_sentence() -> None:
    data = heic(scene())
    with pytest.raises(TooManyPixelsError):
        decode(data, max_pixels=100)
    for end in range(40, len(data) - 1, max(1, len(data) // 60)):
        try:
            decode(data[:end])
        except BrokenImageError as error:
            assert "HEIC image is damaged or cut off" in str(error)  # noqa: PT017
