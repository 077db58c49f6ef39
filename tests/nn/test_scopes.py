"""Captures and edits belong to the code inside their with block, also where generators and tasks interleave."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
from collections.abc import AsyncIterator, Iterator

import pytest
import torch
from torch import Tensor

from sge.errors import CaptureError
from sge.nn.capture import Capture
from sge.nn.intervention import edit_masks
from sge.nn.mask_capture import MaskCapture
from tests.nn.networks import hooks, small

NETWORK = small()
IMAGES = [torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(i)) for i in range(4)]


def mask_of(image: Tensor) -> Tensor:
    with torch.no_grad(), MaskCapture(NETWORK) as seen:
        NETWORK(image)
    return seen.masks["1"]


def stream(images: list[Tensor]) -> Iterator[MaskCapture]:
    for image in images:
        with MaskCapture(NETWORK) as seen:
            NETWORK(image)
            yield seen


def test_generators_that_are_read_side_by_side() -> None:
    for one, other, (first, second) in zip(
        stream(IMAGES[:2]), stream(IMAGES[2:]), zip(IMAGES[:2], IMAGES[2:], strict=True), strict=True
    ):
        NETWORK(torch.zeros(3, 3, 8, 8))
        assert torch.equal(one.masks["1"], mask_of(first))
        assert torch.equal(other.masks["1"], mask_of(second))
    assert hooks(NETWORK) == 0


def test_an_edit_in_a_suspended_generator_does_not_reach_its_caller() -> None:
    def zeroed(image: Tensor) -> Iterator[Tensor]:
        with edit_masks(NETWORK, {"1": torch.zeros_like}):
            yield NETWORK(image)
            yield NETWORK(image)

    expected = NETWORK(IMAGES[1])
    for out in zeroed(IMAGES[0]):
        assert not out.any()
        assert torch.equal(NETWORK(IMAGES[1]), expected)
    abandoned = zeroed(IMAGES[0])
    next(abandoned)
    del abandoned
    gc.collect()
    assert hooks(NETWORK) == 0


def test_context_managers_made_of_generators_serve_their_body() -> None:
    @contextlib.contextmanager
    def captured() -> Iterator[MaskCapture]:
        with contextlib.ExitStack() as stack:
            yield stack.enter_context(MaskCapture(NETWORK))

    @contextlib.contextmanager
    def outer() -> Iterator[MaskCapture]:
        with captured() as seen:
            yield seen

    def inside_a_generator() -> Iterator[Tensor]:
        with outer() as seen:
            NETWORK(IMAGES[0])
            yield seen.masks["1"]
            yield seen.masks["1"]

    for make in (captured, outer):
        with make() as seen:
            NETWORK(IMAGES[2])
        assert torch.equal(seen.masks["1"], mask_of(IMAGES[2]))
    for mask in inside_a_generator():
        NETWORK(IMAGES[3])
        assert torch.equal(mask, mask_of(IMAGES[0]))


@pytest.fixture
def opened() -> Iterator[MaskCapture]:
    with MaskCapture(NETWORK) as seen:
        yield seen


def test_a_fixture_serves_its_test(opened: MaskCapture) -> None:
    NETWORK(IMAGES[1])
    assert torch.equal(opened.masks["1"], mask_of(IMAGES[1]))


def test_asynchronous_generators_and_tasks_without_a_capture() -> None:
    async def stream_slowly(images: list[Tensor]) -> AsyncIterator[MaskCapture]:
        for image in images:
            with MaskCapture(NETWORK) as seen:
                NETWORK(image)
                await asyncio.sleep(0)
                yield seen

    async def disturb() -> None:
        for _ in range(20):
            NETWORK(torch.zeros(2, 3, 8, 8))
            await asyncio.sleep(0)

    async def read() -> list[Tensor]:
        found = []
        async for seen in stream_slowly(IMAGES):
            NETWORK(torch.ones(2, 3, 8, 8))
            await asyncio.sleep(0)
            found.append(seen.masks["1"])
        return found

    async def main() -> list[list[Tensor]]:
        disturbing = asyncio.create_task(disturb())
        found = await asyncio.gather(read(), read())
        await disturbing
        return found

    for masks in asyncio.run(main()):
        assert all(torch.equal(mask, mask_of(image)) for mask, image in zip(masks, IMAGES, strict=True))


def test_two_tasks_inside_one_capture_cannot_be_told_apart() -> None:
    async def run(image: Tensor) -> None:
        await asyncio.sleep(0)
        NETWORK(image)

    async def main(images: list[Tensor]) -> MaskCapture:
        with MaskCapture(NETWORK) as seen:
            await asyncio.gather(*map(run, images))
        return seen

    assert torch.equal(asyncio.run(main(IMAGES[:1])).masks["1"], mask_of(IMAGES[0]))
    with pytest.raises(CaptureError, match="Several asyncio tasks"):
        _ = asyncio.run(main(IMAGES[:2])).masks


def test_a_copied_context_is_inside_and_an_empty_one_is_not() -> None:
    with MaskCapture(NETWORK) as seen:
        contextvars.copy_context().run(NETWORK, IMAGES[0])
        contextvars.Context().run(NETWORK, IMAGES[1])
    assert torch.equal(seen.masks["1"], mask_of(IMAGES[0]))


def test_a_replica_that_runs_after_a_pass_makes_the_capture_unreadable() -> None:
    with MaskCapture(NETWORK) as seen:
        NETWORK(IMAGES[0])
        gate = NETWORK[1].gate._replicate_for_data_parallel()
        gate(torch.zeros(1, 4, 8, 8), NETWORK[1].weight, NETWORK[1].bias)
    with pytest.raises(CaptureError, match=r"network\.module in place of DataParallel"):
        _ = seen.masks


def test_inputs_by_name_and_inputs_that_are_no_tensors() -> None:
    class Called(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Flatten()
            self.other = torch.nn.ModuleDict()

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(input=x)

    network = Called()
    with Capture(network, inputs=["inner"], outputs=["inner"]) as seen:
        network(IMAGES[0])
    assert torch.equal(seen.inputs["inner"], IMAGES[0])
    network.inner.forward = lambda *_: IMAGES[0]
    network.forward = lambda _x: network.inner([1, 2])
    with (
        Capture(network, inputs=["inner"]),
        pytest.raises(CaptureError, match="first input of inner is no tensor"),
    ):
        network(IMAGES[0])
