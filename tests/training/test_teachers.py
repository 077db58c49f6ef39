from __future__ import annotations

import pytest
import timm
import torch

from sge.errors import ChoiceError, UnknownModelError
from sge.images.framing import Preprocess
from sge.nn.blocks import sge_blocks
from sge.nn.resnet import SGE_RESNETS
from sge.training.teachers import CropTeacher, SelfTeacher, any_teacher
from tests.conftest import fill
from tests.inactive_networks import inactive_network, without_sge


def test_an_unknown_teacher():
    with pytest.raises(UnknownModelError, match="no teacher 'nobody'"):
        any_teacher("nobody")
    with pytest.raises(UnknownModelError, match="no teacher"):
        any_teacher("timm:nobody")


def test_a_teacher_of_the_registry():
    assert any_teacher("sge_efficientnet_lite0").labels[207] == "golden retriever"


@pytest.mark.slow
def test_crops_are_normalized_for_the_teacher():
    network = fill(SGE_RESNETS["sge_resnet18"](5))
    own = Preprocess(mean=(0.5, 0.5, 0.5), std=(0.25, 0.5, 1.0))
    student = Preprocess()
    pixels = torch.rand(2, 3, 64, 64)

    def normalized(preprocess):
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (preprocess.mean, preprocess.std))
        return (pixels - mean) / std

    with torch.no_grad():
        expected = network(normalized(own))
    logits, features = CropTeacher(network, own, [4, 0], torch.device("cpu"))(normalized(student), student)
    assert torch.allclose(logits, expected[:, [4, 0]], rtol=1e-3, atol=1e-3)
    assert features.shape == (2, 512)
    assert not logits.requires_grad
    assert not [m for m in network.modules() if m._forward_hooks or m._forward_pre_hooks]


@pytest.mark.parametrize("classes", [0, 21841])
def test_a_teacher_of_timm_with_other_classes_is_refused(monkeypatch, classes):
    """Their indices would be taken for those of ImageNet's thousand classes."""
    network = timm.create_model("test_resnet", num_classes=classes)
    monkeypatch.setattr("sge.training.teachers.timm.create_model", lambda name, pretrained: network)
    with pytest.raises(ChoiceError, match=f"has {classes} classes"):
        any_teacher("timm:test_resnet.r160_in1k")


def test_the_plain_network_is_a_teacher_and_another_is_refused():
    """The outputs of the student's blocks are compared, whether the teacher has SGE there or not."""
    network = inactive_network()
    teacher = SelfTeacher(without_sge(), torch.device("cpu"), tuple(sge_blocks(network)))
    images = torch.randn(2, 3, 40, 40)
    logits, outputs = teacher(images)
    expected, expected_outputs = SelfTeacher(network, torch.device("cpu"))(images)
    assert torch.allclose(logits, expected, atol=1e-4)
    assert list(outputs) == list(sge_blocks(network))
    assert all(torch.allclose(outputs[name], expected_outputs[name], atol=1e-4) for name in outputs)
    with pytest.raises(ChoiceError, match="has no module first"):
        SelfTeacher(torch.nn.Linear(2, 2), torch.device("cpu"), ("first",))


def test_the_network_as_its_own_teacher():
    network = inactive_network()
    teacher = SelfTeacher(network, torch.device("cpu"))
    x = torch.randn(2, 3, 40, 40)
    with torch.no_grad():
        expected = network(x)
        network.fc.weight.zero_()
    logits, block_outputs = teacher(x)
    assert torch.equal(logits, expected), "the teacher is a copy"
    assert {name: output.shape for name, output in block_outputs.items()} == {
        "first": (2, 8, 40, 40),
        "second": (2, 16, 40, 40),
    }
