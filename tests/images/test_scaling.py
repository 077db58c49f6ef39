"""Inputs of other sizes that are made from an input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sge.images import Preprocess, decode, frame, scaled_frame, scaled_size, scaled_sizes, whole_size

sides = st.integers(1, 3000)
SIZES = st.integers(32, 1024)


def _framed(width, height, framing="whole", seed=0):
    pixels = np.random.RandomState(seed).randint(0, 256, (height, width, 3), np.uint8)
    return frame(decode(Image.fromarray(pixels)), Preprocess(whole=320), framing)


@settings(max_examples=30, deadline=None)
@given(sides, sides, SIZES)
def test_whole_images_get_the_sizes_that_they_are_framed_to(width, height, size):
    framed = _framed(max(1, width // 10), max(1, height // 10))
    assert scaled_size(framed.geometry, size) == whole_size(framed.geometry.image, size)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.sampled_from(["whole", "center"]), st.integers(32, 300))
def test_the_window_stays_and_the_sides_are_multiples_of_32(width, height, framing, size):
    framed = _framed(width, height, framing)
    made = scaled_frame(framed, size)
    assert made.geometry.window == framed.geometry.window
    assert made.geometry.image == framed.geometry.image
    assert made.array.shape == (3, made.geometry.input[1], made.geometry.input[0])
    assert all(side % 32 == 0 and side > 0 for side in made.geometry.input)
    assert made.array.dtype == np.float32
    assert np.isfinite(made.array).all()


def test_a_center_crop_keeps_the_scale_of_the_whole_image():
    framed = _framed(400, 300, "center")
    left, _, right, _ = framed.geometry.window
    assert framed.geometry.input == (224, 224)
    # The crop is 224 of 256 pixels of the resized image, so that at 256 it is the input itself.
    assert right - left == pytest.approx(300 * 224 / 256, rel=0.01)
    assert scaled_frame(framed, 256).array is framed.array
    assert scaled_size(framed.geometry, 512) == (448, 448)


@pytest.mark.parametrize(("width", "height"), [(700, 40), (40, 700), (3000, 10), (41, 40)])
def test_a_centered_window_has_the_size_of_the_same_square_of_a_square_image(width, height):
    """What lies beside the crop takes no part: a face in it is as large as if somebody had cropped the image."""
    side = min(width, height)
    framed, square = _framed(width, height, "center"), _framed(side, side, "center")
    for size in (160, 320, 416):
        assert scaled_size(framed.geometry, size) == scaled_size(square.geometry, size)


def test_the_same_size_is_the_same_array():
    framed = _framed(400, 320)
    assert scaled_frame(framed, 320).array is framed.array


def test_planes_are_resized_as_pillow_resizes_floats():
    framed = _framed(400, 320)
    made = scaled_frame(framed, 256)
    for plane, original in zip(made.array, framed.array, strict=True):
        wanted = np.asarray(Image.fromarray(original, "F").resize((320, 256), Image.Resampling.BICUBIC))
        np.testing.assert_array_equal(plane, wanted)


def test_a_constant_image_stays_constant():
    framed = _framed(90, 60)
    framed.array[:] = 0.37
    np.testing.assert_allclose(scaled_frame(framed, 500).array, 0.37, atol=1e-5)


def test_sizes_that_round_to_one_are_made_once():
    framed = _framed(300, 300)
    assert scaled_sizes(framed.geometry, (416, 255, 256, 257)) == [(256, 256), (416, 416)]
