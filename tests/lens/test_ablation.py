"""Ablations: refusals, then the properties that hold for every network, then each way of computing them."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import timm
import torch
from torch import nn

import sge
from sge.errors import CaptureError, ChoiceError, UnknownBlockError, UnknownGroupError
from sge.evaluation.gates import flat_masks
from sge.images import Preprocess
from sge.lens import ablation
from sge.lens.lens import Lens
from sge.models.model import Model
from sge.nn import SpatialGroupEnhance, insert_sge, sge_blocks
from sge.nn.resnet import build_resnet
from tests.conftest import fill
from tests.drawn_images import noise
from tests.inactive_networks import inactive_network
from tests.lens.networks import CLASSES, LABELS, WAYS, Plain, Residual, Unused, lens_of, resnet
from tests.nn.networks import hooks

IMAGE = noise(96, 96)
CLOSE = {"atol": 2e-4, "rtol": 1e-4}
"""Tolerance of logits between batches of different sizes, which convolutions round differently."""


@pytest.fixture(scope="module")
def lens() -> Lens:
    return lens_of(Residual())


def logits(lens: Lens) -> np.ndarray:
    with torch.no_grad():
        return lens.network(torch.from_numpy(lens.frame(IMAGE).array)[None])[0].numpy()


def without(lens: Lens, block: str, groups: list[int]) -> np.ndarray:
    """Logits with channels of a block's SGE output set to 0 by a plain hook of torch."""

    def clear(module: SpatialGroupEnhance, _x: object, out: torch.Tensor) -> torch.Tensor:
        out = out.clone()
        each = out.shape[1] // module.groups
        for group in groups:
            out[:, group * each : (group + 1) * each] = 0
        return out

    handle = sge_blocks(lens.network)[block].register_forward_hook(clear)
    try:
        return logits(lens)
    finally:
        handle.remove()


@pytest.mark.parametrize("groups", [{"third": [0]}, {"first": [0], "second.sge": [0]}, {"": []}, {3: [0]}])
def test_unknown_blocks(lens: Lens, groups: dict) -> None:
    with pytest.raises(UnknownBlockError, match="there are: first, second"):
        lens.ablate(IMAGE, groups)


@pytest.mark.parametrize("numbers", [[4], [-1], [0, 99], [0.5], ["0"], 3, "0,1", [None]])
def test_unknown_groups(lens: Lens, numbers: object) -> None:
    with pytest.raises(UnknownGroupError, match="0 to 3"):
        lens.ablate(IMAGE, {"first": numbers})


@pytest.mark.parametrize("groups", ["first", "", None, [0, 1], 3])
def test_no_mapping(lens: Lens, groups: object) -> None:
    with pytest.raises(ChoiceError, match="first"):
        lens.ablate(IMAGE, groups)


def test_wrong_choices(lens: Lens) -> None:
    with pytest.raises(ChoiceError, match="mean, zero, only"):
        lens.ablate(IMAGE, "all", "half")
    with pytest.raises(ChoiceError, match="controls is -1"):
        lens.ablate(IMAGE, "all", controls=-1)
    with pytest.raises(ChoiceError, match="seed is -3"):
        lens.ablate(IMAGE, "all", seed=-3)
    with pytest.raises(ChoiceError, match="whole, center"):
        lens.ablate(IMAGE, "all", framing="half")
    with pytest.raises(ChoiceError, match="labels"):
        Lens(Model("few", copy.deepcopy(lens.network), LABELS[:3]), "cpu").ablate(IMAGE, "all")


@pytest.mark.parametrize("attention", ["cbam", "bam"])
def test_maps_that_are_no_groups(attention: str) -> None:
    other = Lens(Model(attention, build_resnet(18, attention, CLASSES), LABELS), "cpu")
    with pytest.raises(CaptureError, match="no SGE block"):
        other.ablate(IMAGE, "all")


def test_a_block_that_the_pass_does_not_use() -> None:
    unused = lens_of(Unused())
    unused.ablate(IMAGE, {"first": [0]})
    with pytest.raises(CaptureError, match="does not call the gate of second"):
        unused.ablate(IMAGE, "all")


def test_a_compiled_network_is_measured_eagerly() -> None:
    plain = fill(Residual())
    expected = lens_of(Residual()).ablate(IMAGE, {"first": [1]}, controls=2)
    compiled = Lens(
        Model(
            "compiled",
            torch.compile(plain, backend="eager"),
            LABELS,
            preprocess=Preprocess(resize=96, size=96),
        ),
        "cpu",
    )
    found = compiled.ablate(IMAGE, {"first": [1]}, controls=2)
    np.testing.assert_array_equal(found.logits_after, expected.logits_after)
    assert compiled.attribute(IMAGE, 0).effect.keys() == {"first", "second"}


@pytest.mark.parametrize("groups", [{}, {"first": []}, {"first": [], "second": ()}])
@pytest.mark.parametrize("mode", ["mean", "zero"])
def test_ablating_nothing_changes_nothing(lens: Lens, groups: dict, mode: str) -> None:
    found = lens.ablate(IMAGE, groups, mode, 3)
    np.testing.assert_array_equal(found.before, found.after)
    np.testing.assert_array_equal(found.controls, np.stack([found.before] * 3))
    np.testing.assert_allclose(found.logits_before, logits(lens), **CLOSE)


def test_only_all_groups_changes_nothing(lens: Lens) -> None:
    found = lens.ablate(IMAGE, "all", "only")
    np.testing.assert_array_equal(found.logits_before, found.logits_after)
    found = lens.ablate(IMAGE, {"first": "all"}, "only")
    np.testing.assert_array_equal(found.logits_before, found.logits_after)


@pytest.mark.parametrize("block", ["first", "second"])
def test_zero_of_all_groups_equals_the_network_with_that_output_zeroed(lens: Lens, block: str) -> None:
    for groups in (None, "all"):
        found = lens.ablate(IMAGE, {block: groups}, "zero")
        np.testing.assert_allclose(
            found.logits_after, without(lens, block, list(range(len(found.groups[block])))), **CLOSE
        )
    assert np.abs(found.logits_after - found.logits_before).max() > 0.01


@pytest.mark.parametrize(("block", "groups"), [("first", [2]), ("first", [0, 3]), ("second", [1])])
def test_zero_of_some_groups(lens: Lens, block: str, groups: list[int]) -> None:
    found = lens.ablate(IMAGE, {block: groups}, "zero")
    np.testing.assert_allclose(found.logits_after, without(lens, block, groups), **CLOSE)


def test_mean_of_all_groups_equals_flat_masks(lens: Lens) -> None:
    found = lens.ablate(IMAGE, "all", "mean")
    with flat_masks(lens.network):
        np.testing.assert_allclose(found.logits_after, logits(lens), **CLOSE)
    assert np.abs(found.logits_after - found.logits_before).max() > 1e-3


def test_only_some_groups_equals_zero_of_the_others(lens: Lens) -> None:
    only = lens.ablate(IMAGE, {"first": [1, 2], "second": []}, "only", 0)
    zero = lens.ablate(IMAGE, {"first": [0, 3], "second": "all"}, "zero", 0)
    np.testing.assert_array_equal(only.logits_after, zero.logits_after)


def test_inactive_gates_have_no_spatial_effect() -> None:
    inactive = Lens(Model("inactive", inactive_network(), LABELS), "cpu")
    found = inactive.ablate(IMAGE, "all", "mean")
    np.testing.assert_allclose(found.logits_after, found.logits_before, **CLOSE)
    assert np.abs(inactive.ablate(IMAGE, "all", "zero").logits_after - found.logits_before).max() > 0.01


def test_scores_are_those_of_the_prediction_at_the_frames_temperature() -> None:
    warm = lens_of(Plain())
    warm.model.preprocess = sge.Preprocess(resize=96, size=96, whole_temperature=0.5)
    for framing in ("whole", "center"):
        found = warm.ablate(IMAGE, {"first": [1]}, framing=framing)
        expected = {p.index: p.score for p in warm.predict(IMAGE, framing)}
        assert found.before == pytest.approx([expected[i] for i in range(CLASSES)], abs=1e-5)
    for values in (found.before, found.after, found.controls):
        assert values.dtype == np.float32
        np.testing.assert_allclose(values.sum(-1), 1, rtol=1e-5)
    assert found.controls.shape == found.logits_controls.shape == (10, CLASSES)
    assert found.labels == LABELS


def test_numbers_are_sorted_and_counted_once(lens: Lens) -> None:
    found = lens.ablate(IMAGE, {"second": [1, 1], "first": np.array([3, 0, 3])}, "zero")
    assert found.groups == {"first": [0, 3], "second": [1]}
    assert list(found.groups) == ["first", "second"]
    assert all(type(number) is int for numbers in found.groups.values() for number in numbers)


def test_controls_are_random_groups_of_the_same_blocks(lens: Lens) -> None:
    def draw(seed: int, controls: int = 40) -> sge.Ablation:
        return lens.ablate(IMAGE, {"first": [1, 2], "second": [0]}, "zero", controls, seed=seed)

    one, again, other = draw(5), draw(5), draw(6)
    assert one.control_groups == again.control_groups != other.control_groups
    np.testing.assert_array_equal(one.controls, again.controls)
    assert draw(5, 7).control_groups == one.control_groups[:7]
    assert (one.seed, other.seed) == (5, 6)
    for groups in one.control_groups:
        assert [len(set(groups[name])) for name in ("first", "second")] == [2, 1]
    drawn = {number for groups in one.control_groups for number in groups["first"]}
    assert drawn == {0, 1, 2, 3}
    for groups, expected in zip(one.control_groups[:5], one.logits_controls, strict=False):
        alone = lens.ablate(IMAGE, groups, "zero", 0).logits_after
        np.testing.assert_allclose(alone, expected, **CLOSE)
    assert lens.ablate(IMAGE, {"first": [1]}, controls=0).controls.shape == (0, CLASSES)


@pytest.mark.parametrize("kind", WAYS, ids=lambda kind: kind.__name__)
def test_each_way_equals_one_pass_for_each_ablation(
    kind: type[Plain], monkeypatch: pytest.MonkeyPatch
) -> None:
    tested = lens_of(kind())
    found = tested.ablate(IMAGE, {"first": [0, 2], "second": [1]}, "zero", 12)
    assert list(tested._backend.found.values()) == [WAYS[kind]]
    monkeypatch.setattr(ablation, "_find_way", lambda *_: "single")
    alone = lens_of(kind()).ablate(IMAGE, {"first": [0, 2], "second": [1]}, "zero", 12)
    for name in ("logits_before", "logits_after", "logits_controls"):
        np.testing.assert_allclose(getattr(found, name), getattr(alone, name), **CLOSE)
    assert np.abs(found.logits_after - found.logits_before).max() > 0.01
    assert hooks(tested.network) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "build",
    [
        resnet,
        lambda: insert_sge(timm.create_model("efficientnet_lite0", num_classes=CLASSES), 8),
        lambda: build_resnet(50, "sge", CLASSES),
    ],
    ids=["torchvision", "timm", "ours"],
)
def test_whole_networks_share_what_comes_before_the_block(build: object) -> None:
    whole = lens_of(build())
    blocks = list(sge_blocks(whole.network))
    for block in (blocks[0], blocks[-1]):
        found = whole.ablate(IMAGE, {block: [1, 2, 3]}, "zero", 2)
        np.testing.assert_allclose(found.logits_after, without(whole, block, [1, 2, 3]), **CLOSE)
    assert set(whole._backend.found.values()) == {"shared"}


def test_what_comes_before_the_earliest_block_is_computed_once(lens: Lens) -> None:
    rows: dict[str, list[int]] = {"stem": [], "first.1": [], "second.0": [], "fc": []}
    lens.ablate(IMAGE, {"second": [0]}, "zero", 2)
    handles = [
        lens.network.get_submodule(path).register_forward_hook(
            lambda _m, _x, out, p=path: rows[p].append(len(out))
        )
        for path in rows
    ]
    found = lens.ablate(IMAGE, {"second": [0]}, "zero", 20)
    for handle in handles:
        handle.remove()
    different = 1 + len({tuple(groups["second"]) for groups in found.control_groups})
    assert rows == {"stem": [1], "first.1": [1], "second.0": [1], "fc": [different]}


def test_rows_are_bounded(lens: Lens, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = lens.ablate(IMAGE, {"first": [0, 1]}, "zero", 9)
    largest: list[int] = []
    handle = lens.network.fc.register_forward_hook(lambda _m, _x, out: largest.append(len(out)))
    for name, value in (("MAX_ROWS", 2), ("MAX_PIXELS", 1)):
        monkeypatch.setattr(ablation, name, value)
        found = lens.ablate(IMAGE, {"first": [0, 1]}, "zero", 9)
        np.testing.assert_allclose(found.logits_controls, expected.logits_controls, **CLOSE)
        assert max(largest) == (2 if name == "MAX_ROWS" else 1)
        largest.clear()
    handle.remove()


def test_threads_get_the_ablation_of_their_own_image() -> None:
    shared = lens_of(Residual())
    jobs = [
        (noise(96, 96, seed), {"first": [seed % 4]}, mode) for seed in range(8) for mode in ("zero", "only")
    ]
    expected = [lens_of(Residual()).ablate(image, groups, mode, 2) for image, groups, mode in jobs]
    plain = [shared.predict(image) for image, _, _ in jobs]
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(shared.ablate, image, groups, mode, 2) for image, groups, mode in jobs]
        beside = list(pool.map(shared.predict, [image for image, _, _ in jobs]))
        found = [one.result() for one in running]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.logits_after, other.logits_after)
        np.testing.assert_array_equal(one.logits_controls, other.logits_controls)
    assert beside == plain
    assert hooks(shared.network) == 0


def test_the_network_is_left_as_it_was(lens: Lens) -> None:
    mine = lens_of(Residual())
    state = copy.deepcopy(mine.network.state_dict())
    mine.network.train()
    mine.network.first.eval()
    flags = [module.training for module in mine.network.modules()]
    mine.ablate(IMAGE, "all", "zero")
    assert [module.training for module in mine.network.modules()] == flags
    assert all(torch.equal(state[key], value) for key, value in mine.network.state_dict().items())
    assert hooks(mine.network) == 0
    assert all(parameter.grad is None for parameter in mine.network.parameters())


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_near(precision: str, lens: Lens) -> None:
    exact = lens.ablate(IMAGE, {"first": [0, 1]}, "zero", 3)
    half = lens_of(Residual(), precision=precision).ablate(IMAGE, {"first": [0, 1]}, "zero", 3)
    np.testing.assert_allclose(half.logits_after, exact.logits_after, atol=0.05)
    assert half.logits_after.dtype == half.after.dtype == np.float32


def test_a_network_in_bfloat16(lens: Lens) -> None:
    low = Lens(Model("low", fill(Residual()).bfloat16(), LABELS, preprocess=lens.model.preprocess), "cpu")
    exact = lens.ablate(IMAGE, {"first": [0, 1]}, "zero", 3)
    found = low.ablate(IMAGE, {"first": [0, 1]}, "zero", 3)
    np.testing.assert_allclose(found.logits_after, exact.logits_after, atol=0.1)


def test_a_network_of_one_block() -> None:
    one = nn.Sequential(
        nn.Conv2d(3, 8, 3, 8), SpatialGroupEnhance(8, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    one.append(nn.Linear(8, CLASSES))
    tested = lens_of(one)
    (block,) = sge_blocks(one)
    found = tested.ablate(IMAGE, {block: "all"}, "zero", 0)
    np.testing.assert_allclose(found.logits_after, one[-1].bias.detach().numpy(), **CLOSE)
