"""A capture belongs to the thread that opened it: results equal those of one thread, or an error is raised."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from sge.errors import CaptureError
from sge.nn import SpatialGroupEnhance
from sge.nn.capture import Capture
from sge.nn.mask_capture import MaskCapture
from sge.nn.modes import eval_mode
from tests.nn.networks import hooks, randomize_gates, small

THREADS, IMAGES = 4, 24


def network_with_norms() -> nn.Sequential:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        SpatialGroupEnhance(8, 4),
        nn.Dropout(0.5),
        nn.Conv2d(8, 8, 3, padding=1),
        SpatialGroupEnhance(8, 2),
    )
    randomize_gates(network)
    return network


def images() -> list[Tensor]:
    return [torch.randn(1, 3, 24, 24, generator=torch.Generator().manual_seed(i)) for i in range(IMAGES)]


def equal(results: list[dict[str, Tensor]], expected: list[dict[str, Tensor]]) -> bool:
    return all(
        torch.equal(result[name], maps)
        for result, alone in zip(results, expected, strict=True)
        for name, maps in alone.items()
    )


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("rows", [None, 1])
def test_threads_equal_one_thread_bit_for_bit(rows: int | None, training: bool) -> None:
    network = network_with_norms().train(training)
    state = {key: value.clone() for key, value in network.state_dict().items()}

    def maps(image: Tensor) -> dict[str, Tensor]:
        with eval_mode(network), torch.inference_mode(), Capture(network, energy=True, rows=rows) as seen:
            network(image)
        return seen.masks | {f"energy {name}": value for name, value in seen.energy.items()}

    expected = [maps(image) for image in images()]
    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(maps, images() * 3))
    assert equal(results, expected * 3)
    assert all(module.training is training for module in network.modules())
    assert all(torch.equal(state[key], value) for key, value in network.state_dict().items())
    assert hooks(network) == 0


class Halves(nn.Module):
    """Runs each half of a batch in a thread of its own, as DataParallel does."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        with ThreadPoolExecutor(2) as pool:
            return torch.cat(list(pool.map(self.network, x.chunk(2))))


class OwnHalf(Halves):
    """Runs the first half of a batch in the calling thread, the second in another one."""

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2)
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(self.network, second)
            return torch.cat([self.network(first), other.result()])


def replica_of(module: nn.Module) -> nn.Module:
    """A replica as DataParallel makes it: other modules that share the parameters and the dictionaries of hooks."""
    replica = module._replicate_for_data_parallel()
    for name, child in module.named_children():
        setattr(replica, name, replica_of(child))
    for name, parameter in module._parameters.items():
        setattr(replica, name, None if parameter is None else parameter.detach())
    return replica


class Replicas(Halves):
    """Runs each half of a batch in a replica, in a thread of its own."""

    def forward(self, x: Tensor) -> Tensor:
        replicas = [replica_of(self.network) for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            halves = pool.map(lambda replica, half: replica(half), replicas, x.chunk(2))
            return torch.cat(list(halves))


def reads(seen: Capture) -> list[Callable[[], object]]:
    return [lambda: seen.masks, lambda: seen.similarity, lambda: seen.energy, lambda: seen.channels]


@pytest.mark.parametrize("wrapper", [Halves, OwnHalf, Replicas])
@pytest.mark.parametrize("rows", [None, 4])
def test_halves_of_a_batch_are_never_taken_for_the_whole(wrapper: type[Halves], rows: int | None) -> None:
    network = wrapper(small())
    with torch.no_grad(), Capture(network, energy=True, rows=rows) as seen:
        network(torch.randn(4, 3, 8, 8))
    for read in reads(seen):
        with pytest.raises(CaptureError):
            read()


def run_beside(capture: Capture, call: Callable[[], object]) -> None:
    with capture, ThreadPoolExecutor(1) as pool:
        pool.submit(call).result()


def test_another_thread_that_only_calls_the_network() -> None:
    network, x = small(), torch.randn(2, 3, 8, 8)
    with torch.no_grad(), MaskCapture(network) as alone:
        network(x)

    def both(capture: Capture) -> None:
        with torch.no_grad(), capture:
            network(x)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(network, torch.zeros(2, 3, 8, 8)).result()

    both(public := MaskCapture(network))
    with pytest.raises(CaptureError, match="Another thread called the network"):
        _ = public.masks
    both(counted := Capture(network, rows=2))
    assert torch.equal(counted.masks["1"], alone.masks["1"])


def test_another_thread_with_its_own_capture_of_other_blocks() -> None:
    network, x = network_with_norms(), torch.randn(2, 3, 8, 8)

    def other() -> Tensor:
        with torch.no_grad(), MaskCapture(network, "5") as seen:
            network(torch.zeros(1, 3, 8, 8))
        return seen.masks["5"]

    with torch.no_grad(), MaskCapture(network) as seen:
        network(x)
        with ThreadPoolExecutor(1) as pool:
            theirs = pool.submit(other).result()
    assert len(seen.masks["5"]) == 2
    assert len(theirs) == 1


def test_a_capture_of_another_network_does_not_excuse_a_thread() -> None:
    network, elsewhere = small(), small()

    def other() -> None:
        with MaskCapture(elsewhere):
            network(torch.zeros(1, 3, 8, 8))

    run_beside(seen := MaskCapture(network), other)
    with pytest.raises(CaptureError, match="Another thread"):
        _ = seen.masks


def test_a_thread_that_copies_the_context_is_another_thread() -> None:
    network = small()

    async def main() -> MaskCapture:
        with MaskCapture(network) as seen:
            await asyncio.gather(*(asyncio.to_thread(network, torch.zeros(1, 3, 8, 8)) for _ in range(2)))
        return seen

    with pytest.raises(CaptureError, match="Another thread"):
        _ = asyncio.run(main()).masks


def test_tasks_of_one_thread_have_captures_of_their_own() -> None:
    network = small()

    async def maps(x: Tensor, start: asyncio.Event, done: asyncio.Event) -> Tensor:
        with MaskCapture(network) as seen:
            await start.wait()
            network(x)
            done.set()
            await asyncio.sleep(0)
        return seen.masks["1"]

    async def main() -> list[Tensor]:
        first, second, end = asyncio.Event(), asyncio.Event(), asyncio.Event()
        tasks = [
            asyncio.create_task(maps(torch.zeros(1, 3, 8, 8), first, second)),
            asyncio.create_task(maps(torch.ones(2, 3, 8, 8), second, end)),
        ]
        first.set()
        return await asyncio.gather(*tasks)

    assert [len(maps) for maps in asyncio.run(main())] == [1, 2]


@pytest.mark.slow
def test_hooks_come_and_go_while_others_run() -> None:
    network, x = network_with_norms(), torch.randn(1, 3, 16, 16)
    stop, errors = threading.Event(), []

    def call() -> None:
        while not stop.is_set():
            try:
                with torch.no_grad():
                    network(x)
            except Exception as error:
                errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        for _ in range(200):
            with torch.no_grad(), Capture(network, rows=1) as seen:
                network(x)
            assert len(seen.masks) == 2
    finally:
        stop.set()
        thread.join()
    assert errors == []
    assert hooks(network) == 0
