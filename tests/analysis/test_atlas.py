"""8-bit atlases of maps."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from sge.analysis.atlas import atlas_record, maps_of_record

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6))
VALUES = st.floats(-(2.0**60), 2.0**60, width=32)


@given(SHAPES.flatmap(lambda shape: arrays(np.float32, shape, elements=VALUES)))
def test_every_value_comes_back_within_half_a_step(maps: np.ndarray) -> None:
    atlas = atlas_record(maps)
    back = maps_of_record(atlas)
    assert (back.shape, back.dtype) == (maps.shape, np.float32)
    half = (atlas["hi"] - atlas["lo"]) / 510
    rounding = 4 * np.spacing(np.abs(maps).max()).astype(np.float64)
    assert np.abs(back.astype(np.float64) - maps.astype(np.float64)).max() <= half + rounding


@pytest.mark.parametrize("exponent", range(-44, 39, 2))
@pytest.mark.parametrize("middle", [0.0, 1.0, -3.0])
def test_no_range_is_too_small_or_too_large(exponent: int, middle: float) -> None:
    values = np.random.RandomState(exponent + 44).uniform(-1, 1, (2, 9, 9)) * 10.0**exponent + middle
    maps = np.asarray(values, np.float32)
    atlas = atlas_record(maps)
    assert (atlas["lo"], atlas["hi"]) == (maps.min(), maps.max())
    rounding = 4 * np.spacing(np.abs(maps).max()).astype(np.float64)
    error = np.abs(maps_of_record(atlas).astype(np.float64) - maps)
    assert error.max() <= (atlas["hi"] - atlas["lo"]) / 510 + rounding


@pytest.mark.parametrize("value", [0.0, 0.73, -1e-30, 1e30])
def test_maps_that_are_equal_everywhere_come_back_exactly(value: float) -> None:
    maps = np.full((3, 2, 5), value, np.float32)
    np.testing.assert_array_equal(maps_of_record(atlas_record(maps)), maps)


def test_the_smallest_range_does_not_overflow() -> None:
    maps = np.array([[[0.0, np.finfo(np.float32).smallest_subnormal]]], np.float32)
    np.testing.assert_array_equal(maps_of_record(atlas_record(maps)), maps)


def test_the_ends_are_exact_and_the_layout_is_one_below_the_other() -> None:
    maps = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    atlas = atlas_record(maps)
    assert [atlas[key] for key in ("groups", "height", "width", "lo", "hi")] == [4, 2, 3, 0.0, 23.0]
    image = Image.open(io.BytesIO(base64.b64decode(atlas["png"])))
    assert (image.format, image.mode, image.size) == ("PNG", "L", (3, 8))
    gray = np.asarray(image)
    assert (gray[0, 0], gray[-1, -1]) == (0, 255)
    assert (np.diff(gray.ravel().astype(int)) > 0).all()
    back = maps_of_record(atlas)
    assert (back[0, 0, 0], back[-1, -1, -1]) == (0.0, 23.0)


def png(size: tuple[int, int], mode: str = "L", kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nothing",
        png((3, 8))[:40],
        png((8, 3)),  # as many pixels, another layout
        png((3, 7)),
        png((3, 8), "RGB"),
        png((3, 8), kind="BMP"),
    ],
)
def test_other_data_is_refused(data: bytes) -> None:
    record = atlas_record(np.zeros((4, 2, 3), np.float32)) | {"png": base64.b64encode(data).decode()}
    with pytest.raises((OSError, ValueError)):
        maps_of_record(record)
