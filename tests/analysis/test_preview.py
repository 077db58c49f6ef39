"""The decoded image as it is sent to a page."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sge.analysis.preview import MAX_JPEG_SIDE, MAX_LOSSLESS_PIXELS, EncodedImage, encode_image


def opened(encoded: EncodedImage) -> Image.Image:
    image = Image.open(io.BytesIO(encoded.data))
    assert encoded.media_type == f"image/{(image.format or '').lower()}"
    # Nothing in the file lets a browser show other pixels.
    assert not {"icc_profile", "exif", "gamma", "transparency", "chromaticity"} & set(image.info)
    return image.convert("RGB")


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.RandomState(seed).randint(0, 256, (height, width, 3), np.uint8))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 500), st.integers(1, 500), st.integers(0, 9))
def test_small_images_are_exact(width: int, height: int, seed: int) -> None:
    image = noise(width, height, seed)
    assert opened(encode_image(image)).tobytes() == image.tobytes()


@pytest.mark.parametrize("format", ["auto", "jpeg"])
def test_larger_ones_are_close_and_their_colors_keep_full_resolution(format: str) -> None:
    stripes = np.zeros((600, 800, 3), np.uint8)
    stripes[:, ::2] = (230, 20, 40)
    stripes[:, 1::2] = (20, 60, 220)
    image = Image.fromarray(stripes)
    assert image.width * image.height > MAX_LOSSLESS_PIXELS
    encoded = encode_image(image, format=format)
    assert encoded.media_type == "image/jpeg"
    difference = np.abs(np.asarray(opened(encoded), np.int16) - stripes)
    assert difference.max() <= 16


@pytest.mark.parametrize("size", [(3000, 400), (1, 5000), (5000, 3), (70, 70)])
def test_a_limit_keeps_the_aspect_and_never_enlarges(size: tuple[int, int]) -> None:
    image = noise(*size)
    small = opened(encode_image(image, 100))
    assert max(small.size) == min(100, max(size))
    assert min(small.size) == max(1, round(min(size) * max(small.size) / max(size)))
    assert image.size == size


def test_what_a_jpeg_cannot_hold_is_a_png() -> None:
    banner = Image.new("RGB", (MAX_JPEG_SIDE + 1, 5), "teal")
    assert encode_image(banner, format="jpeg").media_type == "image/png"


def test_the_url_holds_the_bytes() -> None:
    encoded = encode_image(noise(5, 4))
    head, _, text = encoded.url.partition(",")
    assert (head, base64.b64decode(text)) == ("data:image/png;base64", encoded.data)
