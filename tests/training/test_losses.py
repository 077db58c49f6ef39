from __future__ import annotations

import itertools
import math

import pytest
import torch

from sge.training.config import TrainConfig
from sge.training.loader import standardized
from sge.training.losses import Targets, agreement, correlations, losses, matched
from sge.training.student import Seen


def seen(logits, masks=None, similarity=None):
    return Seen(torch.tensor(logits), torch.ones(len(logits), 3), masks or {}, similarity or {})


def test_labels_alone():
    parts = losses(seen([[0.0, 0.0]]), Targets(torch.tensor([0])), TrainConfig(), {})
    assert set(parts) == {"labels"}
    assert float(parts["labels"]) == pytest.approx(math.log(2))


def test_a_teachers_answers_by_hand():
    """Student uniform, teacher 3 to 1: KL = 3/4 ln(3/2) + 1/4 ln(1/2); a temperature of 1 changes nothing."""
    config = TrainConfig(teacher_weight=1.0)
    answers = torch.tensor([[math.log(3.0), 0.0]])
    parts = losses(seen([[0.0, 0.0]]), Targets(torch.tensor([0]), answers), config, {})
    assert set(parts) == {"answers"}
    assert float(parts["answers"]) == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))


def test_equal_answers_cost_nothing_at_any_temperature():
    config = TrainConfig(teacher_weight=0.6, teacher_temperature=3.0)
    parts = losses(seen([[1.0, 5.0]]), Targets(torch.tensor([1]), torch.tensor([[1.0, 5.0]])), config, {})
    assert float(parts["answers"]) == pytest.approx(0, abs=1e-6)
    assert float(parts["labels"]) > 0


def test_features_alike_up_to_their_length_cost_nothing():
    config = TrainConfig(teacher_weight=0.5, feature_weight=2.0)
    answers = torch.zeros(1, 2)
    wanted = Targets(torch.tensor([0]), answers, torch.full((1, 3), 7.0))
    assert float(losses(seen([[0.0, 0.0]]), wanted, config, {})["features"]) == pytest.approx(0, abs=1e-6)
    wanted = Targets(torch.tensor([0]), answers, torch.full((1, 3), -7.0))
    assert float(losses(seen([[0.0, 0.0]]), wanted, config, {})["features"]) == pytest.approx(4)


def test_a_group_that_follows_costs_nothing_and_one_without_a_teacher_is_free():
    maps = standardized(torch.randn(2, 3, 8, 8))
    own = torch.cat([maps[:, [2, 0]], standardized(torch.randn(2, 1, 8, 8)), maps[:, [1]]], 1)
    match = torch.tensor([2, 0, -1, 1])
    assert float(agreement(own, maps, match)) == pytest.approx(1, abs=1e-3)
    config = TrainConfig(teacher_weight=0.5, similarity_weight=3.0, dense=(("b", "t"),))
    wanted = Targets(torch.tensor([0, 1]), torch.zeros(2, 2), None, {"b": maps})
    look = seen([[0.0, 0.0], [0.0, 0.0]], similarity={"b": own})
    assert float(losses(look, wanted, config, {"b": match})["dense"]) == pytest.approx(0, abs=1e-2)
    assert "dense" not in losses(look, wanted, config, {}), "nothing is pulled before groups are matched"


def test_flat_masks_cost_their_price():
    config = TrainConfig(flatness_weight=2.0, openness_weight=0.5)
    parts = losses(
        seen([[0.0, 0.0]], masks={"b": torch.full((1, 4, 6, 6), 0.7)}), Targets(torch.tensor([0])), config, {}
    )
    assert float(parts["flat"]) == pytest.approx(2.0)
    assert float(parts["open"]) == pytest.approx(0.5)


def test_groups_are_matched_for_the_largest_sum():
    correlation = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))
    match = matched(correlation)
    got = sum(float(correlation[i, j]) for i, j in enumerate(match.tolist()) if j >= 0)
    best = max(
        sum(float(correlation[rows[j], j]) for j in range(3)) for rows in itertools.permutations(range(5), 3)
    )
    assert got == pytest.approx(best)
    assert sorted(match.tolist()) == [-1, -1, 0, 1, 2]


def test_correlations_find_who_is_who():
    maps = standardized(torch.randn(4, 3, 8, 8))
    found = correlations(maps[:, [1, 2, 0]], maps)
    assert found.argmax(1).tolist() == [1, 2, 0]
    assert float(found.max()) == pytest.approx(1, abs=1e-3)
