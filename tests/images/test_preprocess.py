"""What a Preprocess refuses, and the input of networks that take gray."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sge.datasets.batching import normalize_batch
from sge.errors import ChoiceError
from sge.images import LUMA, Preprocess, decode, frame, normalize, resize
from tests.drawn_images import noise

GRAY = Preprocess(mean=(0.449,), std=(0.226,), size=28, resize=28)
NO_NUMBERS: list[Any] = [
    math.nan,
    math.inf,
    -math.inf,
    10**400,
    "0.5",
    b"1",
    None,
    True,
    [0.5],
    1j,
    {},
    object(),
]
WRONG: dict[str, list[Any]] = {
    "mean": [*([n] * 3 for n in NO_NUMBERS), (), (0.5,) * 2, (0.5,) * 4, 0.5, "abc", None, (1e30,) * 3],
    "std": [*([n] * 3 for n in NO_NUMBERS), (0, 1, 1), (-1.0,) * 3, (1e-40,) * 3, "123", None, (0.5,)],
    "size": [0, -1, 1025, 10**9, 224.0, "224", None, True, math.nan, [224]],
    "resize": [0, -1, 4 * 224 + 1, 10**9, 256.5, "256", None, False, math.inf],
    "whole": [0, -5, 1025, 10**12, 1.5, "whole", True, math.nan],
    "whole_temperature": [*NO_NUMBERS, 0, -1.0, 1e-30, 1e30],
    "interpolation": ["nearest", "", None, 2, "BILINEAR", ["bicubic"]],
    "fixed": [
        224,
        (224,),
        (1, 2, 3),
        (0, 5),
        (224, 1025),
        (224.0, 224),
        "ab",
        ("224", 1),
        (None, 2),
        (True, 2),
        {},
    ],
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values_are_refused_by_name(name: str) -> None:
    assert set(WRONG) == {field.name for field in dataclasses.fields(Preprocess)}
    for value in WRONG[name]:
        with pytest.raises(ChoiceError, match=rf"\b{name}\b.* (give|choose) ") as refused:
            Preprocess(**{name: value})
        assert len(str(refused.value)) < 250


def test_an_error_does_not_repeat_a_megabyte() -> None:
    with pytest.raises(ChoiceError) as refused:
        Preprocess(interpolation="x" * 10**6)
    assert len(str(refused.value)) < 250


@given(
    st.lists(st.floats(-2, 2), min_size=3, max_size=3),
    st.lists(st.floats(0.001, 9), min_size=3, max_size=3),
    st.integers(1, 1024),
)
@settings(max_examples=50, deadline=None)
def test_numbers_of_every_type_become_plain_ones(mean: list[float], std: list[float], size: int) -> None:
    plain = Preprocess(mean=tuple(mean), std=tuple(std), size=size, resize=size)
    arrays = Preprocess(
        mean=np.asarray(mean),  # type: ignore[arg-type]
        std=list(np.asarray(std)),  # type: ignore[arg-type]
        size=np.int64(size),  # type: ignore[arg-type]
        resize=np.uint16(size),  # type: ignore[arg-type]
    )
    assert arrays == plain
    assert hash(arrays) == hash(plain)
    assert [type(value) for value in (*arrays.mean, *arrays.std)] == [float] * 6
    assert type(arrays.size) is int
    assert Preprocess(**dataclasses.asdict(plain)) == plain


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("framing", ["whole", "center"])
def test_gray_is_the_luma_that_pillow_computes(mode: str, framing: str) -> None:
    image = noise(90, 60).convert(mode)
    one = frame(decode(image), GRAY, framing)
    width, height = one.geometry.input
    assert one.array.shape == (1, height, width)
    assert (width, height) == ((28, 28) if framing == "center" else (32, 32))
    if framing == "whole":
        wanted = np.asarray(image.convert("L").resize((width, height), Image.Resampling.BILINEAR))
        pixels = one.array[0] * (255 * 0.226) + 255 * 0.449
        assert np.abs(pixels - wanted).max() <= 1.5  # Pillow rounds the luma and the resized pixel.


def test_gray_batches_equal_gray_images() -> None:
    pixels = np.stack([np.asarray(resize(noise(40, 40, seed), (24, 16))) for seed in range(3)])
    wanted = normalize(pixels, GRAY)
    assert wanted.shape == (3, 1, 16, 24)
    first = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    np.testing.assert_allclose(normalize_batch(first, GRAY).numpy(), wanted, atol=1e-5)
    np.testing.assert_array_equal(wanted, normalize(pixels.transpose(0, 3, 1, 2), GRAY))
    np.testing.assert_array_equal(wanted[1], normalize(pixels[1], GRAY))
    luma = pixels.astype(float) @ LUMA.astype(float)
    np.testing.assert_allclose(wanted[:, 0], (luma / 255 - 0.449) / 0.226, atol=1e-5)


def test_gray_pixels_stay_as_they_are() -> None:
    values = np.arange(256, dtype=np.uint8)
    same = np.repeat(values.reshape(16, 16, 1), 3, 2)
    gray = normalize(same, Preprocess(mean=(0.0,), std=(1 / 255,)))
    np.testing.assert_allclose(gray[0].ravel(), values, atol=1e-4)
