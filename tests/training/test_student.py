from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from sge.errors import ChoiceError
from sge.training.student import Student, classifier, classifier_path
from tests.inactive_networks import inactive_network


def test_everything_carries_its_gradient():
    student = Student(inactive_network(), teacher_features=7, block_outputs=True)
    output = student(torch.randn(2, 3, 40, 40))
    assert output.logits.shape == (2, 5)
    assert output.features.shape == (2, 7)
    assert output.masks["first"].shape == (2, 4, 40, 40)
    assert output.block_outputs["second"].shape == (2, 16, 40, 40)
    for tensor in (output.features, output.masks["first"], output.block_outputs["second"]):
        assert tensor.requires_grad
    assert output.similarity["second"].requires_grad
    output.features.sum().backward()
    assert bool(student.network.fc.in_features)
    assert bool(student.network.first.conv.weight.grad.any())


def test_nothing_is_read_that_was_not_asked_for():
    output = Student(inactive_network())(torch.randn(2, 3, 40, 40))
    assert output.features is None
    assert not output.block_outputs


def test_neither_the_network_nor_its_copies_carry_hooks():
    student = Student(inactive_network(), teacher_features=7, block_outputs=True)
    student(torch.randn(2, 3, 40, 40))
    for module in (student, copy.deepcopy(student)):
        assert not [m for m in module.modules() if m._forward_hooks or m._forward_pre_hooks]


def test_a_network_without_sge():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    output = Student(network)(torch.randn(2, 3, 8, 8))
    assert not output.masks
    assert (classifier_path(network), classifier(network)) == ("3", network[3])


def test_a_network_without_a_linear_layer():
    with pytest.raises(ChoiceError, match="no linear layer"):
        Student(nn.Conv2d(3, 4, 1), teacher_features=3)
