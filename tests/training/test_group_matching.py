from __future__ import annotations

import itertools

import pytest
import torch

from sge.nn.module import standardize_maps
from sge.training.distributed import DistributedContext, single_process
from sge.training.group_matching import GATHERING_STEPS, GroupMatching, assign_groups, correlations


def maps(seed: int = 0):
    return standardize_maps(torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(seed)))


def test_correlations_of_permuted_groups():
    found = correlations(maps()[:, [1, 2, 0]], maps())
    assert found.argmax(1).tolist() == [1, 2, 0]
    assert float(found.max()) == pytest.approx(1, abs=1e-4)


def test_the_assignment_has_the_largest_sum():
    correlation = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))
    match = assign_groups(correlation)
    found = sum(float(correlation[i, j]) for i, j in enumerate(match.tolist()) if j >= 0)
    best = max(
        sum(float(correlation[rows[j], j]) for j in range(3)) for rows in itertools.permutations(range(5), 3)
    )
    assert found == pytest.approx(best)
    assert sorted(match.tolist()) == [-1, -1, 0, 1, 2]


def test_the_state_that_one_process_saves_is_that_of_all():
    """What another process has summed counts too, and matching goes on as if nobody had been interrupted."""
    other = {}

    class TwoProcesses(DistributedContext):
        def mean(self, value):
            value += other["sums"]
            value /= 2
            return value

    context = TwoProcesses(0, 2, torch.device("cpu"))
    matching = GroupMatching(0, context)
    matching.observe({"b": maps(1)}, {"b": maps(2)}, 0)
    own, other["sums"] = correlations(maps(1), maps(2)), correlations(maps(3), maps(4))
    matching.synchronize()
    assert torch.allclose(matching.state_dict()["sums"]["b"], (own + other["sums"]) / 2)


def test_groups_are_matched_once_also_after_a_restored_state():
    context = single_process(torch.device("cpu"))
    matching = GroupMatching(5, context)
    for step in range(20):
        matching.observe({"b": maps(step)[:, [1, 2, 0]]}, {"b": maps(step)}, step)
    restored = GroupMatching(5, context)
    restored.load_state_dict(matching.state_dict())
    for step in range(20, 6 + GATHERING_STEPS):
        assert not restored.matches
        restored.observe({"b": maps(step)[:, [1, 2, 0]]}, {"b": maps(step)}, step)
    assert restored.matches["b"].tolist() == [1, 2, 0]
    restored.observe({"b": maps()}, {"b": maps()}, 100)
    assert restored.matches["b"].tolist() == [1, 2, 0]
