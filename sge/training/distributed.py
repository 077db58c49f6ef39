"""Training in several processes started by torchrun, or in one process without it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

LONGEST_WAIT = timedelta(days=2)
"""For another process: rank 0 alone decodes the images and computes a teacher's maps, which may take hours."""

T = TypeVar("T")


@dataclass(frozen=True)
class DistributedContext:
    """This process's rank, the number of processes and this process's device."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process has rank 0; only that one writes files and messages."""
        return self.rank == 0

    def wrap(self, student: nn.Module) -> nn.Module:
        """The module with gradients averaged over the processes; the module itself when there is one process."""
        if self.world_size == 1:
            return student
        devices = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(student, device_ids=devices, broadcast_buffers=False)

    def mean(self, value: Tensor) -> Tensor:
        """Mean over the processes; ``value`` is changed in place."""
        if self.world_size > 1:
            dist.all_reduce(value)
            value /= self.world_size
        return value

    def average_statistics(self, network: nn.Module) -> None:
        """Averages the running statistics of batch norms, which each process estimates from its own crops."""
        if self.world_size > 1:
            for buffer in network.buffers():
                if buffer.is_floating_point():
                    self.mean(buffer)

    def rank_zero_first(self, make: Callable[[], T]) -> T:
        """Runs ``make`` on rank 0 first; the other ranks then load what it cached on disk."""
        if self.is_main:
            made = make()
        self.wait()
        return made if self.is_main else make()

    def wait(self) -> None:
        """Blocks until every process has reached this call."""
        if self.world_size > 1:
            dist.barrier()


def single_process(device: torch.device) -> DistributedContext:
    """The context of a training in one process."""
    return DistributedContext(0, 1, device)


@contextmanager
def distributed_context(device: torch.device) -> Iterator[DistributedContext]:
    """Joins the process group that torchrun describes in the environment: NCCL on GPUs, gloo on CPUs.

    Args:
        device: Device of this process; with several GPUs, torchrun's local rank chooses the index.
    """
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        yield single_process(device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=LONGEST_WAIT)
    try:
        yield DistributedContext(dist.get_rank(), world_size, device)
    finally:
        dist.destroy_process_group()
