"""One lens, one network and many threads: every result equals the one alone, bit for bit, and nothing is left behind."""

from __future__ import annotations

import asyncio
import copy
import io
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sge.images import Preprocess, decode
from sge.lens.lens import Lens
from sge.models import Model
from sge.nn import SpatialGroupEnhance, edit_outputs
from sge.nn.capture import Capture
from sge.nn.mask_capture import MaskCapture
from tests.conftest import fill
from tests.drawn_images import noise
from tests.nn.networks import hooks

THREADS = 4
IMAGES = [decode(noise(40, 32, seed)) for seed in range(3)]
LABELS = ["one", "two", "three", "four"]


def network() -> nn.Sequential:
    """Batch norms with statistics and dropout, in train mode: a pass in that mode gives other numbers and leaves traces."""
    made = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.BatchNorm2d(8), SpatialGroupEnhance(8, 4)),
        nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), SpatialGroupEnhance(16, 8)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(16, 4),
    )
    made[0].add_module("sge", made[0][2])
    del made[0][2]
    return fill(made).train()


def model(net: nn.Module | None = None) -> Model:
    return Model("small", net or network(), list(LABELS), preprocess=Preprocess(resize=32, size=32))


ASKED: dict[str, Callable[[Lens, Any], Any]] = {
    "analyze": lambda lens, image: lens.analyze(image),
    "predict": lambda lens, image: lens.predict(image, "center"),
    "ablate": lambda lens, image: lens.ablate(image, {"1": [0, 3]}, controls=2),
    "attribute": lambda lens, image: lens.attribute(image, "two", method="gradient"),
    "measured": lambda lens, image: lens.attribute(image, blocks=["1"], method="ablation"),
    "grad_cam": lambda lens, image: lens.grad_cam(image, 1),
    "steps": lambda lens, image: lens.steps(image, "0", 2),
}
GRADIENTS = ("attribute", "measured", "grad_cam")
JOBS = [(kind, number) for kind in ASKED for number in range(len(IMAGES))]


def plain(value: Any) -> Any:
    """Numbers and texts of a result, as bytes where they are arrays."""
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    fields = getattr(value, "__dict__", None)
    return value if fields is None else {key: plain(one) for key, one in fields.items() if key != "image"}


def answer(lens: Lens, job: tuple[str, int]) -> Any:
    return plain(ASKED[job[0]](lens, IMAGES[job[1]]))


def traces(net: nn.Module) -> list[Any]:
    state = {key: value.numpy().tobytes() for key, value in net.state_dict().items()}
    grads = [(one.requires_grad, one.grad is None) for one in net.parameters()]
    return [state, grads, [(one.training, sorted(vars(one))) for one in net.modules()], hooks(net)]


@pytest.fixture(scope="module")
def alone() -> list[Any]:
    lens = Lens(model(), "cpu")
    return [answer(lens, job) for job in JOBS]


@contextmanager
def beside(act: Callable[[], None]) -> Iterator[None]:
    """Repeats something in a thread of its own."""
    stop, errors = threading.Event(), []

    def repeat() -> None:
        while not stop.is_set():
            try:
                act()
            except Exception as error:
                errors.append(error)
                return

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert errors == []


def test_threads_and_lenses_on_one_network(alone: list[Any]) -> None:
    shared = model()
    before = traces(shared.network)
    lenses = [Lens(shared, "cpu"), Lens(shared, "cpu")]
    with ThreadPoolExecutor(THREADS) as pool:
        first = pool.map(lambda job: answer(lenses[0], job), JOBS)
        second = pool.map(lambda job: answer(lenses[1], job), reversed(JOBS))
        assert list(first) == alone
        assert list(second) == alone[::-1]
    assert traces(shared.network) == before


def test_while_another_thread_switches_the_mode(alone: list[Any]) -> None:
    lens = Lens(model(), "cpu")
    with beside(lambda: lens.network.train() and lens.network.eval() and None), ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda job: answer(lens, job), JOBS)) == alone


def test_while_another_thread_trains(alone: list[Any]) -> None:
    """The optimizer has a rate of 0, so that the weights stay; the running statistics are the trainer's, not the lens's."""
    net = network()
    for norm in (net[0][1], net[1][1]):
        norm.momentum = 0.0
    lens = Lens(model(net), "cpu")
    optimizer = torch.optim.SGD(net.parameters(), 0.0)
    steps: list[bool] = []

    def train() -> None:
        optimizer.zero_grad()
        net(torch.ones(2, 3, 32, 32)).sum().backward()
        optimizer.step()
        steps.append(net[1][1].training and net[5].weight.grad is not None)

    # A backward pass needs weights that stay as they were in the forward pass; torch refuses others.
    numbers = [number for number, (kind, _) in enumerate(JOBS) if kind not in GRADIENTS]
    with beside(train), ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda number: answer(lens, JOBS[number]), numbers))
    assert found == [alone[number] for number in numbers]
    assert all(steps)
    assert int(net[0][1].num_batches_tracked) == len(steps) > 0


def test_while_others_capture_edit_and_copy(alone: list[Any]) -> None:
    lens = Lens(model(), "cpu")
    net, x, copies = lens.network, torch.ones(2, 3, 32, 32), []

    def use() -> None:
        with torch.no_grad(), MaskCapture(net) as seen, edit_outputs(net, {"3": torch.zeros_like}) as calls:
            net.eval()(x)
            copies.append(hooks(copy.deepcopy(net)) + hooks(pickle.loads(pickle.dumps(net))))
        assert [len(maps) for maps in seen.masks.values()] == [2, 2]
        assert calls["3"] == 1

    with beside(use), ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda job: answer(lens, job), JOBS)) == alone
    assert set(copies) == {0}
    assert hooks(net) == 0


def test_tasks_and_their_threads(alone: list[Any]) -> None:
    lens = Lens(model(), "cpu")

    async def main() -> list[Any]:
        return await asyncio.gather(*(asyncio.to_thread(answer, lens, job) for job in JOBS))

    assert asyncio.run(main()) == alone


def test_inside_the_callers_own_contexts(alone: list[Any]) -> None:
    lens = Lens(model(), "cpu")
    numbers = range(0, len(JOBS), 3)
    for context in (torch.no_grad(), torch.inference_mode(), torch.enable_grad()):
        with context:
            assert [answer(lens, JOBS[number]) for number in numbers] == [alone[number] for number in numbers]
    with MaskCapture(lens.network) as seen, Capture(lens.network, outputs=["4"]) as more:
        seen_alone = lens.analyze(IMAGES[0])
    np.testing.assert_array_equal(seen.masks["1"][0], seen_alone.masks["1"])
    assert len(more.outputs["4"]) == 1


@pytest.mark.parametrize("how", ["deepcopy", "copy", "pickle", "torch.save"])
def test_copies_of_model_and_lens(how: str, alone: list[Any]) -> None:
    def saved(value: Any) -> Any:
        buffer = io.BytesIO()
        torch.save(value, buffer)
        buffer.seek(0)
        return torch.load(buffer, weights_only=False)

    ways = {
        "deepcopy": copy.deepcopy,
        "copy": copy.copy,
        "pickle": lambda value: pickle.loads(pickle.dumps(value)),
        "torch.save": saved,
    }
    lens = Lens(model(), "cpu")
    lens.attribute(IMAGES[0])
    with MaskCapture(lens.network), edit_outputs(lens.network, {"2": torch.zeros_like}):
        one, other = ways[how](lens.model), ways[how](lens)
    for copied in (Lens(one, "cpu"), other):
        assert [answer(copied, job) for job in JOBS[::4]] == alone[::4]
        assert hooks(copied.network) == 0
        assert not any("__getstate__" in vars(module) for module in copied.network.modules())
