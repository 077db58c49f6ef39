"""One process; several are tested in test_run.py."""

from __future__ import annotations

import torch
from torch import nn

from sge.training.distributed import distributed_context, single_process

CPU = torch.device("cpu")


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with distributed_context(CPU) as context:
        assert (context.rank, context.world_size, context.is_main) == (0, 1, True)


def test_one_process_changes_nothing():
    context, network = single_process(CPU), nn.BatchNorm2d(2)
    assert context.wrap(network) is network
    assert context.mean(torch.tensor(3.0)) == 3
    context.average_statistics(network)
    context.wait()
    calls = []
    assert context.rank_zero_first(lambda: calls.append(1) or 7) == 7
    assert calls == [1]
