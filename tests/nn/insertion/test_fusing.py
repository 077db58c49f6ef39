"""SGE survives what a network does to its layers before inference, or is refused."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from sge.errors import UnsupportedNetworkError
from sge.nn import MaskCapture, insert_sge, sge_blocks
from sge.nn.insertion.fusing import merging_method
from tests.conftest import fill
from tests.nn.networks import COPIES


class Merging(nn.Module):
    """A convolution and its norm, which ``fuse`` joins, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.bn(self.conv(x)))).mean((2, 3))

    def fuse(self) -> nn.Module:
        self.conv = torch.nn.utils.fuse_conv_bn_eval(self.conv, self.bn)
        self.bn = nn.Identity()
        return self


class Parallel(nn.Module):
    """Two parallel convolutions that ``reparameterize`` joins."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.three = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 3, padding=1)
        self.joined: nn.Module | None = None

    def forward(self, x: Tensor) -> Tensor:
        return self.one(x) + self.three(x) if self.joined is None else self.joined(x)

    def reparameterize(self) -> None:
        joined = copy.deepcopy(self.three)
        with torch.no_grad():
            joined.weight[:, :, 1:2, 1:2] += self.one.weight
            joined.bias += self.one.bias
        self.joined = joined
        del self.one, self.three


class Quiet(Merging):
    """Its ``fuse`` returns another module, has an argument for silence, and fails where it is asked to talk."""

    def fuse(self, verbose: bool = True) -> nn.Module:
        assert not verbose
        return nn.Sequential(torch.nn.utils.fuse_conv_bn_eval(self.conv, self.bn), self.head)


class Fusion(nn.Module):
    """A method of the name that is something else."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fuse(self.conv(x), x)

    def fuse(self, first: Tensor, second: Tensor) -> Tensor:
        return first + second.mean(1, keepdim=True)


class Broken(Merging):
    """Its ``fuse`` never works."""

    def fuse(self) -> nn.Module:
        raise RuntimeError("not on this machine")


class Strict(Merging):
    """Its ``fuse`` works only on the layers that it knows."""

    def fuse(self) -> nn.Module:
        assert not list(self.conv.children())
        return super().fuse()


def unchanged(network: nn.Module, before: dict[str, Tensor]) -> bool:
    after = network.state_dict()
    return before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize(
    ("network", "where", "message"),
    [
        (Merging(), "bn", r"SGE at bn would be lost when Merging merges its layers .*fuse\(\)"),
        (Merging(), "conv", r"SGE at conv would be lost"),
        (nn.Sequential(Merging()), "0.bn", r"Name a module around them, such as 0\."),
        (nn.Sequential(Parallel(), nn.ReLU()), "0.three", r"reparameterize\(\) joins or removes"),
        (nn.Sequential(Parallel(), nn.ReLU()), ["1", "0.one"], r"SGE at 0\.one would be lost"),
        (Strict(), "conv", r"SGE at conv would be lost"),
        (Quiet(), "bn", r"SGE at bn would be lost"),
    ],
    ids=["norm", "convolution", "inside", "parallel", "one of two", "strict", "another module"],
)
def test_a_site_that_is_lost_is_refused_before_anything_changes(network, where, message):
    network.train()
    before, random = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    with pytest.raises(UnsupportedNetworkError, match=message):
        insert_sge(network, groups=4, where=where)
    assert unchanged(network, before)
    assert not sge_blocks(network)
    assert network.training
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize(
    ("network", "where"),
    [
        (Merging(), "head"),
        (nn.Sequential(Parallel(), nn.ReLU()), "0"),
        (Fusion(), "conv"),
        (Broken(), "bn"),
        (models.quantization.mobilenet_v3_large(quantize=False, num_classes=4), "features.2"),
    ],
    ids=["after", "around", "another meaning", "no merging at all", "quantizable"],
)
def test_a_site_that_stays_is_accepted(network, where):
    x = torch.randn(1, 3, 64, 64)
    network = fill(network)
    with torch.inference_mode():
        before = network(x)
        after = insert_sge(network, groups=4, where=where)(x)
    assert list(sge_blocks(network)) == [where]
    assert float((after - before).abs().max() / before.abs().max()) < 1e-4  # far below 0.37, the gain


def test_without_values_only_the_modules_are_looked_for():
    with torch.device("meta"):
        network = Merging().eval()
    assert list(sge_blocks(insert_sge(network, groups=4, where="head"))) == ["head"]


def test_networks_without_such_a_method_are_not_copied(monkeypatch):
    monkeypatch.setattr(copy, "deepcopy", None)
    assert merging_method(models.resnet18()) is None
    insert_sge(models.resnet18())


def test_what_is_no_network_or_only_holds_one_is_refused():
    class Runner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = Merging()

        def __call__(self, source):
            raise AssertionError("it would change the network")

    with pytest.raises(
        UnsupportedNetworkError, match=r"Runner is not the network itself.*its attribute model"
    ):
        insert_sge(Runner(), where="model.conv")
    with pytest.raises(UnsupportedNetworkError, match=r"this is str\. Of a Model, give model\.network"):
        insert_sge("resnet18")


# ultralytics


@pytest.fixture(scope="module", params=["yolov8n.yaml", "yolo11n.yaml"])
def yolo(request: pytest.FixtureRequest) -> nn.Module:
    """A detector from its description, with weights by rule."""
    tasks = pytest.importorskip(
        "ultralytics.nn.tasks", exc_type=ImportError, reason="ultralytics is not installed"
    )
    return fill(tasks.DetectionModel(request.param, verbose=False))


def boxes(network: nn.Module) -> Tensor:
    """(1, 4 + classes, anchors)"""
    x = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        return network(x)[0]


WHERE = ["model.0", "model.2", "model.4.cv1", "model.9", "model.12"]
"""A convolution with norm and activation, two blocks of the backbone, a part of one, a pooling, a block of the neck."""


def test_a_yolo_keeps_sge_when_it_is_fused(yolo):
    network = copy.deepcopy(yolo)
    before = boxes(network)
    insert_sge(network, groups=8, where=WHERE)
    assert float((boxes(network) - before).abs().max() / before.abs().max()) < 1e-5
    assert network.state_dict().keys() - yolo.state_dict().keys() == {
        f"{name}.sge.{kind}" for name in WHERE for kind in ("weight", "bias")
    }
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in sge_blocks(network).values():
            module.weight.normal_(generator=random)
    after = boxes(network)
    change = float((after - before).abs().max())
    assert change > 1e-2  # pixels
    with MaskCapture(network) as seen:
        boxes(network)
    fused = copy.deepcopy(network).fuse(verbose=False)
    assert not hasattr(fused.model[0], "bn")
    with MaskCapture(fused) as seen_fused:
        after_fused = boxes(fused)
    assert float((after_fused - after).abs().max()) < 0.1 * change
    assert list(seen.masks) == list(seen_fused.masks) == WHERE
    for name in WHERE:
        assert float((seen.masks[name] - seen_fused.masks[name]).abs().max()) < 1e-2
    assert torch.equal(boxes(COPIES["pickle"](network)), after)


@pytest.mark.parametrize("where", ["model.0.bn", "model.0.conv"])
def test_a_yolo_refuses_sge_inside_what_it_fuses(yolo, where):
    before = copy.deepcopy(yolo.state_dict())
    with pytest.raises(UnsupportedNetworkError, match=rf"SGE at {where} would be lost.*such as model\.0\."):
        insert_sge(yolo, groups=8, where=[where, "model.2"])
    assert unchanged(yolo, before)


def test_a_yolo_that_is_fused_already_takes_sge(yolo):
    fused = copy.deepcopy(yolo).fuse(verbose=False)
    before = boxes(fused)
    insert_sge(fused, groups=8, where=["model.0", "model.2"])
    assert float((boxes(fused) - before).abs().max() / before.abs().max()) < 1e-5


def test_the_wrapper_of_ultralytics_is_refused():
    ultralytics = pytest.importorskip(
        "ultralytics", exc_type=ImportError, reason="ultralytics is not installed"
    )
    wrapper = ultralytics.YOLO("yolov8n.yaml")
    with pytest.raises(UnsupportedNetworkError, match="YOLO is not the network itself"):
        insert_sge(wrapper, where="model.model.2")
    insert_sge(wrapper.model, groups=8, where="model.2")
    assert list(sge_blocks(wrapper.model)) == ["model.2"]
