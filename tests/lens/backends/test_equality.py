"""Torch is the reference: every runtime gives the same logits, maps, parts and effects of groups."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sge.analysis import MODES, Ablation, Analysis
from sge.lens import Lens
from tests.drawn_images import noise
from tests.lens.backends.conftest import NETWORKS, Pairs, smooth_frames

IMAGE = noise(96, 96)
LOGITS = 1e-4
"""Largest difference of logits, as a fraction of the largest logit."""
MAPS = 5e-3
"""Largest difference of similarity, whose standard deviation is 1; a map that is nearly constant amplifies rounding."""
WITH_GROUPS = ("residual", "concat", "resnet")
FEW = settings(max_examples=3, deadline=None, phases=[Phase.generate])


def assert_same(expected: np.ndarray, found: np.ndarray, tolerance: float) -> None:
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.abs(found - expected).max(initial=0) <= tolerance


def assert_same_logits(expected: np.ndarray, found: np.ndarray) -> None:
    assert_same(expected, found, LOGITS * np.abs(expected).max(initial=0))


def assert_same_analysis(expected: Analysis, found: Analysis, maps: float = MAPS) -> None:
    assert found.blocks == expected.blocks
    assert found.geometry == expected.geometry
    # The energy of a group moves with its map, but is at most a share of its block.
    for signal, tolerance in (("masks", maps), ("similarity", maps), ("energy", maps / 500)):
        one, other = getattr(expected, signal), getattr(found, signal)
        assert list(one) == list(other)
        for name in one:
            assert_same(one[name], other[name], tolerance)
    assert [part.name for part in found.parts] == [part.name for part in expected.parts]
    for one, other in zip(expected.parts, found.parts, strict=True):
        assert (other.x, other.y) == pytest.approx((one.x, one.y), abs=1)
        assert other.score == pytest.approx(one.score, abs=1e-2)
    assert [one.index for one in found.predictions] == [one.index for one in expected.predictions]
    assert [one.score for one in found.predictions] == pytest.approx(
        [one.score for one in expected.predictions], abs=1e-4
    )


def without_long_compilation(name: str, lens: Lens) -> None:
    """OpenVINO compiles for each new shape, which takes seconds here; other tests have this network in few shapes."""
    if name == "resnet" and lens.backend == "openvino":
        pytest.skip("compiles for seconds")


@pytest.mark.parametrize("name", NETWORKS)
@given(
    rows=st.integers(1, 3), seed=st.integers(0, 2**32 - 1), width=st.integers(1, 4), height=st.integers(1, 4)
)
@FEW
def test_logits_and_maps(pair_of: Pairs, name: str, rows: int, seed: int, width: int, height: int) -> None:
    reference, lens = pair_of(name)
    without_long_compilation(name, lens)
    frames = smooth_frames(reference, rows, seed, 32 * width, 32 * height)
    batch = np.stack([frame.array for frame in frames])
    assert_same_logits(reference._backend.logits(batch), lens._backend.logits(batch))
    for expected, found in zip(
        reference.analyze_frames(frames, 1), lens.analyze_frames(frames, 1), strict=True
    ):
        assert_same_analysis(expected, found)


@pytest.mark.parametrize("name", NETWORKS)
def test_framings_and_sizes(pair_of: Pairs, name: str) -> None:
    reference, lens = pair_of(name)
    for framing, size in (("whole", None), ("center", None), ("center", 75), ("whole", 128)):
        image = noise(140, 90)
        expected = reference.analyze(image, framing, 1, size)
        assert_same_analysis(expected, lens.analyze(image, framing, 1, size))
        assert lens.predict(image, framing, 1, size)[0].index == expected.predictions[0].index


@pytest.mark.parametrize("name", ["residual", "concat"])
@given(data=st.data(), mode=st.sampled_from(MODES), controls=st.integers(0, 5), seed=st.integers(0, 99))
@FEW
def test_ablations(
    pair_of: Pairs, name: str, data: st.DataObject, mode: str, controls: int, seed: int
) -> None:
    reference, lens = pair_of(name)
    groups = chosen(data, reference.groups)
    expected, found = (one.ablate(IMAGE, groups, mode, controls, seed=seed) for one in (reference, lens))
    assert_same_ablation(expected, found)


def assert_same_ablation(expected: Ablation, found: Ablation) -> None:
    assert (found.groups, found.control_groups) == (expected.groups, expected.control_groups)
    for field in ("logits_before", "logits_after", "logits_controls"):
        assert_same_logits(getattr(expected, field), getattr(found, field))


def chosen(data: st.DataObject, blocks: Mapping[str, int]) -> dict[str, list[int]]:
    names = data.draw(st.sets(st.sampled_from(list(blocks)), min_size=1))
    return {name: sorted(data.draw(st.sets(st.integers(0, blocks[name] - 1)))) for name in sorted(names)}


@pytest.mark.parametrize("mode", MODES)
def test_ablations_of_all_blocks(pair_of: Pairs, mode: str) -> None:
    assert_same_ablation(*(lens.ablate(IMAGE, "all", mode, 1) for lens in pair_of("resnet")))


@pytest.mark.parametrize("name", WITH_GROUPS)
def test_measured_effects(pair_of: Pairs, name: str) -> None:
    reference, lens = pair_of(name)
    without_long_compilation(name, lens)
    blocks = list(reference.groups)[-2:]
    expected = reference.attribute(IMAGE, 1, blocks=blocks, method="ablation")
    for method in ("auto", "ablation"):
        found = lens.attribute(IMAGE, 1, blocks=blocks, method=method)
        assert found.target.index == 1
        assert found.logit == pytest.approx(expected.logit, rel=1e-4)
        assert found.grad_cam is None
        assert found.method == dict.fromkeys(blocks, "ablation")
        for block in blocks:
            assert_same(expected[block], found[block], 2e-4 * abs(expected.logit))
    for block in blocks:
        for group in range(0, reference.groups[block], 5):
            flat = reference.ablate(IMAGE, {block: [group]}, "mean", 0)
            drop = flat.logits_before[1] - flat.logits_after[1]
            assert found.spatial[block][group] == pytest.approx(drop, abs=2e-4 * abs(expected.logit))
    assert lens.attribute(IMAGE, blocks=blocks[:1]).target.index == reference.predict(IMAGE)[0].index


@pytest.mark.parametrize("name", WITH_GROUPS)
def test_ways_of_computing_ablations(pair_of: Pairs, name: str) -> None:
    """Networks that concatenate with an earlier feature take no image as one row; the exported file neither."""
    reference, lens = pair_of(name)
    for one in (reference, lens):
        one.ablate(IMAGE, "all")
    key = ("way", *sorted(reference.groups))
    assert lens._backend.found[key] == reference._backend.found[key]
