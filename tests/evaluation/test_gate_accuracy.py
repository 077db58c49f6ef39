"""Top-1 with flat masks: networks and sets that cannot be measured, then counts by hand."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from sge.errors import BrokenImageError, CaptureError, ChoiceError, DataError
from sge.evaluation.accuracy import evaluate
from sge.evaluation.gate_accuracy import ALL, measure_gates
from sge.evaluation.gates import flat_masks
from sge.images.framing import Preprocess
from sge.models.model import Card, Model
from sge.nn.module import SpatialGroupEnhance
from tests.conftest import fill
from tests.datasets.test_labelled import tar
from tests.drawn_images import encoded, noise

SIDE = 64


class Peak(nn.Module):
    """Class 0 if the mask of the first block has a peak that multiplies the bright spot; the second block does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(8)
        self.first, self.second = nn.Module(), nn.Module()
        self.first.sge = SpatialGroupEnhance(3, 3)
        self.second.sge = SpatialGroupEnhance(3, 1)
        nn.init.constant_(self.first.sge.weight, 4.0)
        nn.init.constant_(self.first.sge.bias, -4.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = self.second.sge(self.first.sge(self.pool(x).relu())).amax((1, 2, 3))
        return torch.stack([bright, torch.full_like(bright, 0.5)], 1)


def peak_model(network: nn.Module | None = None) -> Model:
    preprocess = Preprocess((0.2, 0.2, 0.2), (0.25, 0.25, 0.25), SIDE, SIDE)
    return Model("peak", network or Peak(), ["spot", "none"], Card("Peak", "Peak."), preprocess)


def spot(x: int, y: int) -> bytes:
    image = Image.new("RGB", (SIDE, SIDE), (50, 50, 50))
    image.paste((255, 255, 255), (x, y, x + 16, y + 16))
    return encoded(image)


@pytest.fixture
def labelled(tmp_path):
    """Three images with a spot, one of them under the wrong folder, and one without."""
    plain = encoded(Image.new("RGB", (SIDE, SIDE), (50, 50, 50)))
    members = [("spot/1.png", spot(0, 0)), ("spot/2.png", spot(48, 16)), ("none/3.png", spot(16, 32))]
    return tar(tmp_path / "set.tar", [*members, ("none/4.png", plain)])


@pytest.mark.parametrize(
    "options",
    [{"batch": 0}, {"limit": 0}, {"seed": -1}, {"size": 8}, {"framing": "left"}],
    ids=lambda value: next(iter(value)),
)
def test_a_setting_out_of_range(labelled, options):
    with pytest.raises(ChoiceError, match=next(iter(options))):
        measure_gates(peak_model(), labelled, **options)


def test_a_network_without_sge(labelled):
    with pytest.raises(CaptureError, match="has no SGE"):
        measure_gates(peak_model(nn.Conv2d(3, 2, 1)), labelled)


def test_sets_that_cannot_be_measured(tmp_path, labelled):
    with pytest.raises(DataError, match="There is no folder"):
        measure_gates(peak_model(), tmp_path / "gone")
    with pytest.raises(ChoiceError, match="no class of this model"):
        measure_gates(replace(peak_model(), labels=["a", "b"]), labelled)
    with pytest.raises(ChoiceError, match="a label for each class"):
        measure_gates(replace(peak_model(), labels=["spot", "none", "more"]), labelled)


def test_broken_images(tmp_path):
    broken = tar(tmp_path / "x.tar", [("spot/1.png", spot(0, 0)[:50]), ("spot/2.png", spot(0, 0))])
    with pytest.raises(BrokenImageError, match=r"spot/1\.png"):
        measure_gates(peak_model(), broken)
    result = measure_gates(peak_model(), broken, skip_broken=True)
    assert (result.images, result.skipped, len(result.broken)) == (1, 1, 1)
    assert (result.top1.low, result.blocks[0].difference.high) == (None, None), "one image has no interval"
    with pytest.raises(DataError, match="None of the 1 images can be read"):
        measure_gates(peak_model(), broken, only="1", skip_broken=True)


def test_logits_that_are_not_finite(labelled):
    network = Peak()
    nn.init.constant_(network.first.sge.bias, float("nan"))
    with pytest.raises(ChoiceError, match="not finite"):
        measure_gates(peak_model(network), labelled)


def test_counts_by_hand(labelled):
    """A flat mask of the first block lowers every peak below 0.5; that of the second, which is constant, does nothing."""
    result = measure_gates(peak_model(), labelled)
    everything, first, second = result.blocks
    assert (result.images, result.top1.value) == (4, 0.75)
    assert [row.block for row in result.blocks] == [ALL, "first", "second"]
    assert (first.top1, first.difference.value, first.changed) == (0.5, -0.25, 0.75)
    assert (everything.top1, everything.difference.value, everything.changed) == (0.5, -0.25, 0.75)
    assert (second.top1, second.difference.value, second.changed) == (0.75, 0.0, 0.0)
    assert (second.difference.low, second.difference.high) == (0, 0)
    assert first.difference.low < -0.25 < first.difference.high
    assert second.mask_std == pytest.approx(0, abs=1e-6)
    assert first.mask_std > 0.05
    assert [row.groups for row in result.blocks] == [4, 3, 1]


@pytest.fixture(scope="module")
def trained():
    """Two blocks with gates that act, batch norms and six classes."""
    layers = {
        "stem": nn.Conv2d(3, 8, 3, 4),
        "norm": nn.BatchNorm2d(8),
        "first": nn.Sequential(OrderedDict(relu=nn.ReLU(), sge=SpatialGroupEnhance(8, 4))),
        "conv": nn.Conv2d(8, 12, 3, 2),
        "second": nn.Sequential(OrderedDict(relu=nn.ReLU(), sge=SpatialGroupEnhance(12, 6))),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flat": nn.Flatten(),
        "classes": nn.Linear(12, 6),
    }
    network = fill(nn.Sequential(OrderedDict(layers)))
    return Model("small", network, list("abcdef"), Card("S", "S."), Preprocess(size=64, resize=64))


def test_the_figures_are_those_of_evaluate(trained, tmp_path):
    members = [(f"{n % 6}/{n}.png", encoded(noise(64, 64, n))) for n in range(12)]
    shard = tar(tmp_path / "x.tar", members)
    result = measure_gates(trained, shard, batch=5)
    assert result.top1.value == pytest.approx(evaluate(trained, shard).top1)
    with flat_masks(trained.network):
        assert result.blocks[0].top1 == pytest.approx(evaluate(trained, shard).top1)
    alone = measure_gates(trained, shard, batch=1)
    for ours, theirs in zip(result.blocks, alone.blocks, strict=True):
        assert (ours.top1, ours.difference, ours.changed) == (theirs.top1, theirs.difference, theirs.changed)
        assert ours.mask_std == pytest.approx(theirs.mask_std, abs=1e-5)
    assert np.isfinite([row.mask_std for row in result.blocks]).all()
    sample = measure_gates(trained, shard, limit=4, only="png")
    assert (sample.images, sample.only, sample.sets) == (4, "png", ["x.tar"])
