from __future__ import annotations

import pytest
import torch

from sge.errors import UnknownModelError
from sge.images.framing import Preprocess
from sge.nn.resnet import SGE_RESNETS
from sge.training.teachers import CropTeacher, any_teacher
from tests.conftest import fill


def test_no_such_teacher():
    with pytest.raises(UnknownModelError, match="No teacher 'nobody'"):
        any_teacher("nobody")
    with pytest.raises(UnknownModelError, match="No teacher"):
        any_teacher("timm:nobody")


def test_a_teacher_of_the_registry():
    assert any_teacher("sge_efficientnet_lite0").labels[207] == "golden retriever"


def test_a_teacher_sees_the_crops_in_its_own_normalisation():
    network = fill(SGE_RESNETS["sge_resnet18"](5))
    own = Preprocess(mean=(0.5, 0.5, 0.5), std=(0.25, 0.5, 1.0))
    student = Preprocess()
    pixels = torch.rand(2, 3, 64, 64)

    def normalised(preprocess):
        mean, std = (torch.tensor(three).view(3, 1, 1) for three in (preprocess.mean, preprocess.std))
        return (pixels - mean) / std

    with torch.no_grad():
        wanted = network(normalised(own))
    answers, features = CropTeacher(network, own, [4, 0], torch.device("cpu"))(normalised(student), student)
    assert torch.allclose(answers, wanted[:, [4, 0]], rtol=1e-3, atol=1e-3)
    assert features.shape == (2, 512)
    assert not answers.requires_grad
