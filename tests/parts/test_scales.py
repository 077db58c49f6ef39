"""Peaks over several sizes, and what a block adds to the logits, beside plain references."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sge.images import Box, Geometry
from sge.parts import BlockReadout, PartLogits, block_logits, candidates, combined, resampled, standardized
from sge.parts.scales import LEAST_SUPPRESSION, MAX_CANDIDATES, ONE_POSITION, suppression
from tests.parts.made_detectors import made_detector

DETECTOR = made_detector()
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=25, deadline=None)


def random_sizes(seed, image=(640, 480), shapes=((12, 16), (24, 32)), low=-3.0):
    """Rough random maps."""
    rs = np.random.RandomState(seed)
    window = Box(0.0, 0.0, float(image[0]), float(image[1]))
    return [
        PartLogits(
            (2 * rs.standard_normal((2, rows, cols)) + low).astype(np.float32),
            Geometry(image, (16 * cols, 16 * rows), window, "whole"),
        )
        for rows, cols in shapes
    ]


def plain_block(readout, similarity, channels):
    """The definition, number by number."""
    parts = len(readout.groups if readout.groups is not None else readout.channels)
    shape = (similarity if similarity is not None else channels).shape[1:]
    total = np.zeros((parts, *shape))
    for p in range(parts):
        for r in range(shape[0]):
            for c in range(shape[1]):
                if readout.groups is not None:
                    for g, values in enumerate(similarity):
                        total[p, r, c] += float(readout.groups[p, g]) * min(max(float(values[r, c]), -1), 3)
                if readout.channels is not None:
                    for k, values in enumerate(channels):
                        numbers = [float(v) for v in values.ravel()]
                        mean = sum(numbers) / len(numbers)
                        std = math.sqrt(sum((v - mean) ** 2 for v in numbers) / max(len(numbers) - 1, 1))
                        z = (float(values[r, c]) - mean) / (std + 1e-5)
                        total[p, r, c] += float(readout.channels[p, k]) * min(max(z, -1), 3)
    return total


@few
@given(seeds, st.integers(1, 5), st.integers(1, 5), st.sampled_from(["groups", "channels", "both"]))
def test_a_blocks_share_is_the_definition(seed, rows, cols, kind):
    rs = np.random.RandomState(seed)
    similarity = (2 * rs.standard_normal((3, rows, cols))).astype(np.float32)
    channels = (5 * rs.standard_normal((6, rows, cols)) + rs.uniform(-50, 50)).astype(np.float32)
    readout = BlockReadout(
        "x",
        None if kind == "channels" else rs.standard_normal((2, 3)).astype(np.float32),
        None if kind == "groups" else rs.standard_normal((2, 6)).astype(np.float32),
    )
    found = block_logits(readout, similarity, channels)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plain_block(readout, similarity, channels), atol=2e-4)


@few
@given(seeds, st.floats(-100, 100), st.floats(1, 1e3))
def test_channels_are_standardized_as_torch_does(seed, mean, scale):
    values = (scale * np.random.RandomState(seed).standard_normal((4, 5, 7)) + mean).astype(np.float32)
    tensor = torch.from_numpy(values)
    expected = (tensor - tensor.mean((1, 2), keepdim=True)) / (tensor.std((1, 2), keepdim=True) + 1e-5)
    np.testing.assert_allclose(standardized(values), expected.numpy(), atol=0.01)


def test_a_channel_of_one_position_or_of_equal_values_is_0():
    assert not standardized(np.full((2, 1, 1), 7.0, np.float32)).any()
    assert not standardized(np.zeros((2, 3, 3), np.float32)).any()


def test_blocks_are_added_on_the_grid_of_the_finest():
    maps = {
        name: np.random.RandomState(at).standard_normal((2, side, side)).astype(np.float32)
        for at, (name, side) in enumerate((("layer1.0", 8), ("layer2.0", 4)))
    }
    expected = maps["layer1.0"] + resampled(maps["layer2.0"], (8, 8))
    expected += np.array(DETECTOR.bias, np.float32)[:, None, None]
    np.testing.assert_allclose(combined(DETECTOR, maps), expected, atol=1e-6)


@few
@given(seeds)
def test_no_two_peaks_of_a_part_are_nearer_than_the_suppression(seed):
    sizes = random_sizes(seed)
    shorter = min(sizes[0].geometry.image)
    for part, peaks in candidates(DETECTOR, sizes).items():
        assert 0 < len(peaks) <= MAX_CANDIDATES
        assert [peak.logit for peak in peaks] == sorted((peak.logit for peak in peaks), reverse=True)
        for at, peak in enumerate(peaks):
            assert 0 <= peak.x <= 640
            assert 0 <= peak.y <= 480
            for other in peaks[:at]:
                distance = math.hypot(peak.x - other.x, peak.y - other.y)
                assert distance >= suppression(part, other.cell, shorter) - 1e-9
                assert distance >= LEAST_SUPPRESSION * shorter - 1e-9


@few
@given(seeds)
def test_one_position_has_one_part(seed):
    found = candidates(DETECTOR, random_sizes(seed))
    for nose in found["nose"]:
        for eye in found["eye"]:
            weaker = min((nose, eye), key=lambda peak: peak.logit)
            distance = math.hypot((nose.x - eye.x) / weaker.cell[0], (nose.y - eye.y) / weaker.cell[1])
            assert distance >= ONE_POSITION


@few
@given(seeds)
def test_the_order_of_the_sizes_does_not_matter(seed):
    sizes = random_sizes(seed, shapes=((12, 16), (24, 32), (18, 24)))
    assert candidates(DETECTOR, sizes) == candidates(DETECTOR, sizes[::-1])


@few
@given(seeds)
def test_a_size_twice_changes_nothing(seed):
    sizes = random_sizes(seed)
    assert candidates(DETECTOR, sizes) == candidates(DETECTOR, [*sizes, sizes[0]])


@few
@given(seeds)
def test_a_higher_bias_moves_all_logits_and_no_position(seed):
    sizes = random_sizes(seed)
    higher = [replace(one, logits=one.logits + np.float32(2)) for one in sizes]
    before, after = candidates(DETECTOR, sizes), candidates(DETECTOR, higher)
    for part in before:
        rows = [np.array([(peak.x, peak.y, peak.logit) for peak in found[part]]) for found in (before, after)]
        np.testing.assert_allclose(rows[1] - rows[0], np.tile([0, 0, 2], (len(rows[0]), 1)), atol=0.02)


def test_peaks_beyond_the_image_are_left_out():
    """The network pads a wide image below, where its maps may be high."""
    geometry = Geometry((640, 160), (640, 320), Box(0.0, 0.0, 640.0, 320.0), "whole")
    logits = np.full((2, 20, 40), -5, np.float32)
    logits[:, 15, 20] = 5
    logits[:, 5, 8] = 2
    found = candidates(DETECTOR, [PartLogits(logits, geometry)])
    assert max(found["nose"], key=lambda peak: peak.logit).y < 160
    assert all(peak.y <= 160 for peaks in found.values() for peak in peaks)
    assert found["nose"][0].x == pytest.approx(8.5 * 16, abs=8)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 2)])
def test_tiny_and_narrow_maps(shape):
    geometry = Geometry((3, 3), (16 * shape[1], 16 * shape[0]), Box(0.0, 0.0, 3.0, 3.0), "whole")
    for logits in (
        np.zeros((2, *shape), np.float32),
        np.random.RandomState(0).rand(2, *shape).astype(np.float32),
    ):
        found = candidates(DETECTOR, [PartLogits(logits, geometry)])
        assert any(found.values())
        assert all(0 <= peak.x <= 3 and 0 <= peak.y <= 3 for peaks in found.values() for peak in peaks)
