"""Several processes, as torchrun starts them; one process when it does not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")


@dataclass(frozen=True)
class DistributedContext:
    """This process among all."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def wrapped(self, student: nn.Module) -> nn.Module:
        """With gradients averaged over the processes."""
        if self.world == 1:
            return student
        devices = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(student, device_ids=devices, broadcast_buffers=False)

    def mean(self, value: Tensor) -> Tensor:
        """Over all processes."""
        if self.world > 1:
            dist.all_reduce(value)
            value /= self.world
        return value

    def average_statistics(self, network: nn.Module) -> None:
        """Batch norms' running statistics, which each process gathers from its own crops."""
        if self.world > 1:
            for buffer in network.buffers():
                if buffer.is_floating_point():
                    self.mean(buffer)

    def in_turn(self, make: Callable[[], T]) -> T:
        """The first process makes it, alone; then the others, who find on disk what it has left."""
        if self.first:
            made = make()
        self.wait()
        return made if self.first else make()

    def wait(self) -> None:
        """Until every process is here."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def team(device: torch.device) -> Iterator[DistributedContext]:
    """Joins the processes that torchrun has started: NCCL on GPUs, gloo on CPUs."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield DistributedContext(0, 1, device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield DistributedContext(dist.get_rank(), world, device)
    finally:
        dist.destroy_process_group()
