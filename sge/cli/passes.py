"""How many forward passes run at a time, and how many images each of them has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sge.devices import available_cores
from sge.lens import Lens

MAX_BATCH = 8
"""Images of one pass on a GPU."""


@dataclass(frozen=True)
class Passes:
    """How the passes of one command are arranged.

    Args:
        at_a_time: Passes that run at the same time.
        images: The most images of one pass.
    """

    at_a_time: int = 1
    images: int = MAX_BATCH

    @property
    def begun(self) -> int:
        """Passes that are handed out: with one image each, the next one waits already when a pass ends.

        Batches are handed out one by one, because they grow while they wait.
        """
        return self.at_a_time * (2 if self.images == 1 else 1)


DEFAULT = Passes()


@contextmanager
def passes_of(lens: Lens, images: int) -> Iterator[Passes]:
    """The arrangement for a lens and a number of images.

    On a CPU each core has a pass of one image, which takes less time than a share of a batch: its features stay in the
    core's cache, and no core waits for another. A GPU has one pass of many images.

    torch has one number of threads for the whole process. While the context manager lasts it is 1, except for fewer
    images than threads, of which a pass uses all.
    """
    if lens.backend != "torch":
        yield Passes(available_cores(), 1)
        return
    import torch

    threads = torch.get_num_threads()
    if str(lens.device) != "cpu" or images < threads:
        yield DEFAULT
        return
    torch.set_num_threads(1)
    try:
        yield Passes(threads, 1)
    finally:
        torch.set_num_threads(threads)
