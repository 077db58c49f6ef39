"""Recognition of every architecture by the keys and shapes of its state dict."""

from __future__ import annotations

import pytest
import torch
from torchvision import models

from sge.errors import CheckpointError
from sge.models.architectures import ARCHITECTURES, Signature, recognize
from sge.nn.insertion.insert import insert_sge


def shapes_of(name: str, **options: int) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return ARCHITECTURES[name].build(**options).state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_every_architecture_is_recognized(name):
    assert recognize(shapes_of(name, num_classes=7), plain=True) == Signature(name, 7, 64)
    assert recognize(shapes_of(name), plain=True) == Signature(name, 1000, 64)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name.startswith("sge_")])
@pytest.mark.parametrize("groups", [1, 16, 32])
def test_another_number_of_groups_is_recognized(name, groups):
    state = shapes_of(name, num_classes=3, groups=groups)
    layout = recognize(state)
    assert layout == Signature(name, 3, groups)
    rebuilt = shapes_of(name, num_classes=layout.num_classes, groups=layout.groups)
    assert {key: t.shape for key, t in rebuilt.items()} == {key: t.shape for key, t in state.items()}


@pytest.mark.parametrize("wanted", [50, 60, 100])
def test_groups_that_do_not_divide_everywhere_are_rebuilt_alike(wanted):
    state = shapes_of("sge_efficientnet_lite0", groups=wanted)
    rebuilt = shapes_of("sge_efficientnet_lite0", groups=recognize(state).groups)
    assert {key: t.shape for key, t in rebuilt.items()} == {key: t.shape for key, t in state.items()}


def test_a_resnet_without_sge():
    with pytest.raises(CheckpointError, match=r"ResNet without SGE\. .*sge\.insert_sge"):
        recognize(models.resnet18().state_dict())


def test_a_width_and_a_depth_that_are_not_known():
    with torch.device("meta"):
        wide = insert_sge(models.wide_resnet50_2())
    with pytest.raises(
        CheckpointError, match=r"depth or width: .*\(3, 4, 6, 3\) .*bottleneck, 128 .*sge_resnet18"
    ):
        recognize(wide.state_dict())


def test_something_else_entirely():
    with torch.device("meta"):
        state = models.squeezenet1_1().state_dict()
    with pytest.raises(
        CheckpointError, match=r"no known architecture .*features\.0\.weight.*Known: ResNets with SGE"
    ):
        recognize(state)


@pytest.mark.parametrize("name", ["sge_resnet50", "sge_efficientnet_lite0"])
def test_a_known_network_without_its_classifier(name):
    state = {key: t for key, t in shapes_of(name).items() if not key.startswith(("fc.", "classifier."))}
    with pytest.raises(CheckpointError, match=r"(fc|classifier)\.weight' is missing"):
        recognize(state)


@pytest.mark.parametrize("key", ["fc.weight", "layer1.0.sge.weight", "layer1.0.conv2.weight"])
def test_a_tensor_with_too_few_dimensions(key):
    state = shapes_of("sge_resnet18") | {key: torch.tensor(1.0)}
    with pytest.raises(CheckpointError, match="too few dimensions"):
        recognize(state)
