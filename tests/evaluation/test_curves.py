"""Curves and average drop: maps that cannot be ranked, known answers, and a naive implementation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sge.errors import ChoiceError, ShapeError
from sge.evaluation.curves import (
    area,
    blurred,
    curves,
    first_pixels,
    is_constant,
    pixel_order,
    scaled,
)

SIZE = (16, 16)
TIES = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32)
LEFT = np.tile(np.array([1, 1, 0, 0], np.float32), (4, 1))
"""A map of the left half."""


@pytest.fixture
def image():
    """White noise, whose blur is nearly 0, with a left half that is 1 higher."""
    values = torch.randn(3, *SIZE, generator=torch.Generator().manual_seed(0))
    values[:, :, :8] += 1
    return values


class LeftHalf:
    """A network whose score is the share of pixels of the left half that equal those of the image."""

    def __init__(self, image):
        self.image = image
        self.calls = []

    def __call__(self, inputs):
        self.calls.append(len(inputs))
        same = (inputs == self.image).all(1).float()
        return same[:, :, :8].mean((1, 2)).numpy()


ENDS = np.array([1, 0], np.float32)
"""Scores of the image and of its blurred baseline."""


@pytest.mark.parametrize(
    "broken",
    [
        np.full((4, 4), np.nan, np.float32),
        np.where(LEFT > 0, np.inf, LEFT).astype(np.float32),
        np.zeros((0, 4), np.float32),
        np.zeros((1, 4, 4), np.float32),
        np.zeros(4, np.float32),
    ],
)
def test_maps_that_cannot_be_ranked(image, broken):
    with pytest.raises(ShapeError, match="finite"):
        curves(LeftHalf(image), image, broken, TIES, 4, ENDS)
    with pytest.raises(ShapeError, match="finite"):
        curves(LeftHalf(image), image, LEFT, broken, 4, ENDS)


@pytest.mark.parametrize("steps", [1, 0, -3])
def test_too_few_steps(image, steps):
    with pytest.raises(ChoiceError, match="at least 2"):
        curves(LeftHalf(image), image, LEFT, TIES, steps, ENDS)


def test_the_perfect_map_has_the_known_areas(image):
    """Insertion rises to 1 over the first half of the pixels: 1/4 + 1/2. Deletion falls likewise: 1/4."""
    network = LeftHalf(image)
    found = curves(network, image, LEFT, TIES, 8, ENDS)
    np.testing.assert_allclose(found.insertion, np.minimum(np.arange(9) / 4, 1), atol=1e-6)
    np.testing.assert_allclose(found.deletion, np.maximum(1 - np.arange(9) / 4, 0), atol=1e-6)
    assert (area(found.insertion), area(found.deletion)) == pytest.approx((0.75, 0.25))
    assert network.calls == [15], "one batch"


def test_the_opposite_map_has_the_opposite_areas(image):
    found = curves(LeftHalf(image), image, -LEFT, TIES, 8, ENDS)
    assert (area(found.insertion), area(found.deletion)) == pytest.approx((0.25, 0.75))


def test_a_constant_map_orders_pixels_as_the_random_map_does(image):
    """It must not favour the pixels that come first in memory."""
    constant = np.full((4, 4), 0.7310586, np.float32)
    constant[1, 1] = np.nextafter(constant[1, 1], 1, dtype=np.float32)
    assert is_constant(constant)
    by_constant = curves(LeftHalf(image), image, constant, TIES, 8, ENDS)
    by_random = curves(LeftHalf(image), image, TIES, -TIES, 8, ENDS)
    np.testing.assert_array_equal(by_constant.insertion, by_random.insertion)
    np.testing.assert_array_equal(by_constant.deletion, by_random.deletion)


@pytest.mark.parametrize(
    ("masked", "drop", "increase"), [(0.2, 0.75, False), (0.9, 0.0, True), (0.8, 0.0, False)]
)
def test_average_drop_and_increase(image, masked, drop, increase):
    scores = iter([[0.5, 0.5, masked]])
    found = curves(
        lambda inputs: np.array(next(scores), np.float32),
        image,
        LEFT,
        TIES,
        2,
        np.array([0.8, 0.1], np.float32),
    )
    assert (found.drop, found.increase) == (pytest.approx(drop, abs=1e-6), increase)


def test_the_drop_of_a_score_of_zero(image):
    found = curves(lambda inputs: np.zeros(3, np.float32), image, LEFT, TIES, 2, np.zeros(2, np.float32))
    assert (found.drop, found.increase) == (0, False)


def test_the_masked_image_is_the_image_times_the_scaled_map(image):
    seen = []

    def score(inputs):
        seen.append(inputs)
        return np.zeros(len(inputs), np.float32)

    curves(score, image, 5 * LEFT - 2, TIES, 2, ENDS)
    masked = seen[0][-1]
    assert torch.equal(masked[:, :, :6], image[:, :, :6]), "the map is 1 there, whatever its range was"
    assert not masked[:, :, 10:].any()


def naive(score, image, saliency, ties, steps):
    """One pixel at a time, in the order of Python's sort."""
    _, height, width = image.shape
    values, order = scaled(saliency, SIZE).double(), scaled(ties, SIZE)
    pixels = [(row, col) for row in range(height) for col in range(width)]
    pixels.sort(key=lambda at: (-round(float(values[at]) * 1e6), -float(order[at])))
    base = blurred(image)
    curve, other = [], []
    for step in range(steps + 1):
        inserted, deleted = base.clone(), image.clone()
        for row, col in pixels[: step * len(pixels) // steps]:
            inserted[:, row, col] = image[:, row, col]
            deleted[:, row, col] = base[:, row, col]
        curve.append(float(score(inserted[None])[0]))
        other.append(float(score(deleted[None])[0]))
    return curve, other


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), steps=st.integers(2, 9), rows=st.integers(1, 6), levels=st.integers(1, 4))
def test_a_naive_implementation_agrees(seed, steps, rows, levels):
    """Also with many equal values, as in Grad-CAM's zeros, and for a nonlinear network of all pixels."""
    rng = np.random.default_rng(seed)
    noise = torch.from_numpy(rng.standard_normal((3, *SIZE)).astype(np.float32))
    weight = torch.from_numpy(rng.standard_normal((3, *SIZE)).astype(np.float32))

    def score(inputs):
        return torch.sigmoid((inputs * weight).sum((1, 2, 3)) / 16).numpy()

    saliency = rng.integers(0, levels, (rows, 5)).astype(np.float32)
    ends = score(torch.stack([noise, blurred(noise)]))
    found = curves(score, noise, saliency, TIES, steps, ends)
    insertion, deletion = naive(score, noise, saliency, TIES, steps)
    np.testing.assert_allclose(found.insertion, insertion, atol=1e-5)
    np.testing.assert_allclose(found.deletion, deletion, atol=1e-5)
    assert area(found.insertion) == pytest.approx(
        np.mean([(a + b) / 2 for a, b in pairwise(insertion)]), abs=1e-5
    )


def test_every_pixel_is_in_one_step_and_the_steps_are_equal():
    order = pixel_order(TIES, -TIES, (10, 13))
    assert sorted(order.flatten().tolist()) == list(range(130))
    first = first_pixels(order, 7).flatten(1)
    counts = first.sum(1).tolist()
    assert counts[0] == 0
    assert counts[-1] == 130
    assert max(np.diff(counts)) - min(np.diff(counts)) <= 1
    assert all((first[step] <= first[step + 1]).all() for step in range(7))


@pytest.mark.parametrize("size", [(3, 32, 32), (3, 224, 224), (3, 40, 500)])
def test_the_baseline_keeps_the_mean_and_loses_the_detail(size):
    noise = torch.randn(size, generator=torch.Generator().manual_seed(1))
    base = blurred(noise + 2)
    assert base.shape == noise.shape
    assert base.std() < 0.35 * noise.std()
    assert base.mean() == pytest.approx(2, abs=0.1)
    assert torch.allclose(blurred(torch.full(size, 0.3)), torch.full(size, 0.3), atol=1e-5)
