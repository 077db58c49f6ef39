"""The softmax regression behind a readout."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sge.parts.objective import NEGATIVE_WEIGHT, _cross_entropy, solve, target


def test_the_informative_group_gets_the_weight():
    rs = np.random.RandomState(0)
    truth = [rs.randint(40) for _ in range(8)]
    features = [rs.standard_normal((6, 40)).astype(np.float32) for _ in truth]
    for maps, position in zip(features, truth, strict=True):
        maps[4, position] = 4
    targets = [np.eye(40, dtype=np.float32)[position] for position in truth]
    weights = solve(features, targets)
    assert weights.argmax() == 4
    assert (weights >= 0).all()
    assert not solve(features, targets, l1_weight=100.0).any()


def test_targets_sum_to_one_even_beside_the_grid():
    for points in ([[5.0, 5.0]], [[0.0, 0.0], [100.0, 50.0]]):
        goal = target((3, 4), np.array(points), (100.0, 50.0))
        assert goal.sum() == pytest.approx(1)
    assert target((5, 10), np.array([[95.0, 5.0]]), (100.0, 50.0)).argmax() == 9


def test_negatives_lower_the_weight_of_groups_that_respond_to_them():
    rs = np.random.RandomState(1)
    features = [rs.standard_normal((3, 30)).astype(np.float32) for _ in range(6)]
    for maps in features:
        maps[:2, 7] = 4
    negatives = [rs.standard_normal((3, 30)).astype(np.float32) for _ in range(6)]
    for maps in negatives:
        maps[0, 11] = 4
    targets = [np.eye(30, dtype=np.float32)[7]] * 6
    weights = solve(features, targets, negatives)
    assert weights[1] > weights[0]


def test_loss_and_gradient_equal_torch():
    rs = np.random.RandomState(2)
    features = [rs.standard_normal((5, size)).astype(np.float32) for size in (12, 20)]
    targets = [rs.dirichlet(np.ones(size)).astype(np.float32) for size in (12, 20)]
    negatives = [rs.standard_normal((5, 9)).astype(np.float32)]
    weights = rs.random_sample(5).astype(np.float32)
    loss, gradient, null_gradient = _cross_entropy(features, targets, negatives)(weights, np.float32(0.3))

    w, null_logit = torch.tensor(weights, requires_grad=True), torch.tensor([0.3], requires_grad=True)
    expected = torch.zeros(())
    for maps, goal in zip(features, targets, strict=True):
        logits = torch.cat([w @ torch.from_numpy(maps), null_logit])
        goal = torch.cat([torch.from_numpy(goal), torch.zeros(1)])
        expected = expected + torch.nn.functional.cross_entropy(logits[None], goal[None]) / len(features)
    logits = torch.cat([w @ torch.from_numpy(negatives[0]), null_logit])
    expected = expected + NEGATIVE_WEIGHT * -logits.log_softmax(0)[-1]
    expected.backward()
    assert loss == pytest.approx(expected.item(), abs=1e-5)
    assert gradient == pytest.approx(w.grad.numpy(), abs=1e-5)
    assert null_gradient == pytest.approx(null_logit.grad.item(), abs=1e-5)
