from __future__ import annotations

import math

import pytest
import torch

from sge.nn.module import standardize_maps
from sge.training.config import TrainConfig
from sge.training.gate_tuning_config import GateTuningConfig
from sge.training.losses import (
    LossWeights,
    Targets,
    agreement,
    block_output_error,
    divergence,
    loss_terms,
)
from sge.training.student import StudentOutput


def output(logits, **fields):
    return StudentOutput(torch.tensor(logits), **fields)


def test_labels_alone():
    weights = TrainConfig().loop.losses
    terms = loss_terms(output([[0.0, 0.0]]), Targets(torch.tensor([0])), weights, {})
    assert set(terms) == {"labels"}
    assert float(terms["labels"]) == pytest.approx(math.log(2))


def test_divergence_by_hand():
    """Student uniform, teacher 3 to 1: KL = 3/4 ln(3/2) + 1/4 ln(1/2)."""
    teacher = torch.tensor([[math.log(3.0), 0.0]])
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert float(divergence(torch.zeros(1, 2), teacher)) == pytest.approx(expected)
    weights = TrainConfig(teacher_weight=1.0).loop.losses
    terms = loss_terms(output([[0.0, 0.0]]), Targets(torch.tensor([0]), teacher), weights, {})
    assert set(terms) == {"logits"}
    assert float(terms["logits"]) == pytest.approx(expected)


def test_equal_logits_have_no_divergence_at_any_temperature():
    weights = TrainConfig(teacher_weight=0.6, teacher_temperature=3.0).loop.losses
    targets = Targets(torch.tensor([1]), torch.tensor([[1.0, 5.0]]))
    terms = loss_terms(output([[1.0, 5.0]]), targets, weights, {})
    assert float(terms["logits"]) == pytest.approx(0, abs=1e-6)
    assert float(terms["labels"]) > 0


def test_features_are_compared_by_their_direction():
    weights = LossWeights(features=2.0)
    student = output([[0.0, 0.0]], features=torch.ones(1, 3))
    same = Targets(features=torch.full((1, 3), 7.0))
    opposite = Targets(features=torch.full((1, 3), -7.0))
    assert float(loss_terms(student, same, weights, {})["features"]) == pytest.approx(0, abs=1e-6)
    assert float(loss_terms(student, opposite, weights, {})["features"]) == pytest.approx(4)


def test_block_outputs_are_compared_by_their_variance():
    teacher = {"b": torch.randn(2, 3, 8, 8)}
    assert float(block_output_error(teacher, teacher)) == 0
    shifted = {"b": teacher["b"] + teacher["b"].std()}
    assert float(block_output_error(shifted, teacher)) == pytest.approx(1)
    student = output([[0.0, 0.0]], block_outputs=shifted)
    terms = loss_terms(student, Targets(block_outputs=teacher), GateTuningConfig().loop.losses, {})
    assert float(terms["features"]) == pytest.approx(1)


def test_agreement_is_the_correlation_with_the_matched_group():
    maps = standardize_maps(torch.randn(2, 3, 8, 8))
    own = torch.cat([maps[:, [2, 0]], standardize_maps(torch.randn(2, 1, 8, 8)), maps[:, [1]]], 1)
    match = torch.tensor([2, 0, -1, 1])
    assert float(agreement(own, maps, match)) == pytest.approx(1, abs=1e-4)
    a, b = standardize_maps(torch.randn(1, 1, 5, 5)), standardize_maps(torch.randn(1, 1, 5, 5))
    expected = float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])
    assert float(agreement(a, b, torch.tensor([0]))) == pytest.approx(expected, abs=1e-4)


def test_similarity_has_a_loss_once_the_groups_are_matched():
    maps = standardize_maps(torch.randn(2, 3, 8, 8))
    student = output([[0.0, 0.0], [0.0, 0.0]], similarity={"b": maps[:, [1, 2, 0]]})
    targets = Targets(torch.tensor([0, 1]), torch.zeros(2, 2), similarity={"b": maps})
    weights = LossWeights(similarity=3.0)
    match = {"b": torch.tensor([1, 2, 0])}
    assert float(loss_terms(student, targets, weights, match)["similarity"]) == pytest.approx(0, abs=1e-3)
    assert "similarity" not in loss_terms(student, targets, weights, {})


def test_constant_masks_have_the_whole_weight_as_their_loss():
    weights = TrainConfig(flatness_weight=2.0, openness_weight=0.5).loop.losses
    student = output([[0.0, 0.0]], masks={"b": torch.full((1, 4, 6, 6), 0.7)})
    terms = loss_terms(student, Targets(torch.tensor([0])), weights, {})
    assert float(terms["flatness"]) == pytest.approx(2.0)
    assert float(terms["openness"]) == pytest.approx(0.5)


def test_acting_blocks_choose_the_masks():
    masks = {"flat": torch.full((1, 4, 6, 6), 0.7), "acting": torch.rand(1, 4, 6, 6)}
    student = output([[0.0, 0.0]], masks=masks)
    weights = LossWeights(flatness=1.0, acting_blocks=("acting",))
    assert float(loss_terms(student, Targets(), weights, {})["flatness"]) == 0
    assert not loss_terms(student, Targets(), LossWeights(flatness=1.0, acting_blocks=()), {})
