"""Inputs of one size: other sizes are refused, and every image is framed to it, with positions that are right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sge.errors import ChoiceError
from sge.images import Preprocess, decode, frame, jpeg_scale
from sge.images.framing import PADDING
from sge.images.structure import Structure
from tests.drawn_images import noise

PLAIN = ((0.0,) * 3, (1.0,) * 3)
SIDES = st.integers(1, 150)


def test_another_size_is_refused() -> None:
    wide = Preprocess(size=32, resize=32, fixed=(32, 64))
    image = decode(noise(20, 30))
    assert frame(image, wide, "whole", 32).array.shape == (3, 32, 64)
    for framing in ("whole", "center"):
        with pytest.raises(ChoiceError, match=r"64 x 32 pixels alone.*Leave size out"):
            frame(image, wide, framing, 64)


@settings(max_examples=40, deadline=None)
@given(width=SIDES, height=SIDES, fixed=st.tuples(st.integers(8, 90), st.integers(8, 90)))
def test_a_whole_image_is_padded_to_the_right_and_below(
    width: int, height: int, fixed: tuple[int, int]
) -> None:
    photo = noise(width, height)
    framed = frame(decode(photo), Preprocess(*PLAIN, size=8, resize=8, fixed=fixed))
    assert framed.array.shape == (3, *fixed)
    left, top, right, bottom = framed.geometry.window
    assert (left, top) == (0, 0)
    # The image's lower right corner in pixels of the input.
    across, down = round(width * fixed[1] / right), round(height * fixed[0] / bottom)
    assert across == fixed[1] or down == fixed[0]
    expected = np.asarray(photo.convert("RGB").resize((across, down), Image.Resampling.BILINEAR), np.float32)
    np.testing.assert_allclose(framed.array[:, :down, :across], expected.transpose(2, 0, 1) / 255, atol=1e-6)
    for beside in (framed.array[:, down:], framed.array[:, :, across:]):
        np.testing.assert_allclose(beside, PADDING / 255, atol=1e-6)


def test_the_padding_of_normalized_images_is_their_mean() -> None:
    framed = frame(decode(noise(20, 60)), Preprocess(size=32, resize=32, fixed=(32, 32)))
    assert abs(framed.array[:, :, 20:]).max() < 0.01


@settings(max_examples=25, deadline=None)
@given(width=SIDES, height=SIDES, fixed=st.tuples(st.integers(8, 90), st.integers(8, 90)))
def test_the_center_has_the_sides_ratio_and_lies_in_the_middle(
    width: int, height: int, fixed: tuple[int, int]
) -> None:
    framed = frame(decode(noise(width, height)), Preprocess(*PLAIN, size=8, resize=10, fixed=fixed), "center")
    assert framed.array.shape == (3, *fixed)
    left, top, right, bottom = framed.geometry.window
    if fixed[0] != fixed[1]:
        assert (left + right, top + bottom) == pytest.approx((width, height))
        assert (right - left) / (bottom - top) == pytest.approx(fixed[1] / fixed[0])
        assert max((right - left) / width, (bottom - top) / height) == pytest.approx(0.8)


def test_a_square_center_is_that_of_networks_of_any_size() -> None:
    image = decode(noise(90, 70))
    usual = frame(image, Preprocess(size=32, resize=40), "center")
    fixed = frame(image, Preprocess(size=32, resize=40, fixed=(32, 32)), "center")
    np.testing.assert_array_equal(fixed.array, usual.array)
    assert fixed.geometry == usual.geometry


@pytest.mark.parametrize(("framing", "scale"), [("whole", 4), ("center", 2)])
def test_large_photos_are_decoded_with_enough_pixels(framing: str, scale: int) -> None:
    found = Structure("JPEG", 1600, 1000, 1)
    fixed = Preprocess(size=100, resize=100, fixed=(100, 400))
    assert jpeg_scale(found, fixed, framing) == scale
