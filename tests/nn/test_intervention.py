"""Edits act on the passes of their own thread, and leave nothing behind."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sge.errors import CaptureError, SGEError, UnknownBlockError
from sge.nn.capture import Capture
from sge.nn.intervention import edit_masks, edit_outputs
from sge.nn.mask_capture import MaskCapture
from sge.nn.module import SpatialGroupEnhance
from sge.nn.resnet import build_resnet
from tests.nn.networks import COPIES, Twice, hooks, randomize_gates, small

X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda _mask: None, "returns nothing"),
        (lambda mask: mask[:, :1], r"shape \(2, 1, 8, 8\) for one of shape \(2, 2, 8, 8\)"),
        (lambda mask: mask[:1].repeat(3, 1, 1, 1), "shape"),
        (lambda mask: mask[..., :3], "shape"),
        (lambda _mask: 0.5, "type float"),
        (lambda mask: mask.detach().numpy(), "type ndarray"),
    ],
    ids=["nothing", "groups", "rows", "columns", "number", "array"],
)
def test_edits_that_would_leave_or_misplace_the_mask(edit: Any, told: str) -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 1), SpatialGroupEnhance(8, 2))
    with pytest.raises(SGEError, match=told), edit_masks(network, {"1": edit}):
        network(X)
    assert hooks(network) == 0
    with edit_masks(network, {"1": lambda mask: mask.mean((2, 3), keepdim=True)}) as calls:
        network(X)
    assert calls["1"] == 1
    with pytest.raises(CaptureError, match="returns nothing"), edit_outputs(network, {"0": lambda _x: None}):
        network(X)


def test_names_may_come_from_a_generator() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 1), SpatialGroupEnhance(8, 2))
    with Capture(network, (name for name in ["1"])) as seen:
        network(X)
    assert list(seen.masks) == ["1"]


def test_unknown_names_are_listed_and_leave_no_hook() -> None:
    network = small()
    with (
        pytest.raises(UnknownBlockError, match=r"No block 7; there are: 1\."),
        edit_masks(network, {"7": torch.relu}),
    ):
        pass
    with (
        pytest.raises(UnknownBlockError, match=r"no module 0\.x"),
        edit_outputs(network, {"0": id, "0.x": id}),
    ):
        pass
    assert hooks(network) == 0


@torch.no_grad()
def test_an_exception_removes_the_edit() -> None:
    network = small()
    before = network(X)
    with pytest.raises(ZeroDivisionError), edit_masks(network, {"1": torch.zeros_like}):
        raise ZeroDivisionError
    assert hooks(network) == 0
    assert torch.equal(network(X), before)


@torch.no_grad()
def test_the_edited_mask_multiplies_the_features() -> None:
    network = small()
    features = network[0](X)
    with edit_masks(network, {"1": lambda mask: mask * 0 + 3}) as calls:
        assert torch.allclose(network(X), 3 * features)
        network(X)
    assert calls == {"1": 2}
    with edit_masks(network, {"1": lambda mask: mask}):
        assert torch.equal(network(X), small()(X))


@torch.no_grad()
def test_the_edited_output_takes_the_place_of_the_output() -> None:
    network = small(nn.Flatten())
    with edit_outputs(network, {"0": torch.ones_like, "2": lambda out: out[:, :5]}) as calls:
        out = network(X)
    assert out.shape == (2, 5)
    assert torch.equal(out, network[1](torch.ones(2, 8, 8, 8)).flatten(1)[:, :5])
    assert calls == {"0": 1, "2": 1}


@torch.no_grad()
def test_edits_nest_and_captures_inside_record_the_edited_mask() -> None:
    network = small()
    with MaskCapture(network) as outside, edit_masks(network, {"1": torch.zeros_like}):
        with edit_masks(network, {"1": lambda mask: mask + 2}), MaskCapture(network) as inside:
            network(X)
        assert (inside.masks["1"] == 2).all()
        assert ((outside.masks["1"] > 0) & (outside.masks["1"] < 1)).all()
        assert (network(X) == 0).all()
    assert hooks(network) == 0


@torch.no_grad()
def test_each_module_of_a_block_and_the_maps_of_cbam_can_be_edited() -> None:
    network = randomize_gates(Twice())
    x = torch.randn(1, 8, 6, 6)
    for name in ("block.first", "block.second", "other", "sge"):
        with edit_masks(network, {name: torch.zeros_like}) as calls:
            assert (network(x) == 0).all()
        assert calls == {name: 1}
    cbam = build_resnet(18, "cbam", num_classes=3).eval()
    x = torch.randn(1, 3, 32, 32)
    before = cbam(x)
    with edit_masks(cbam, {"layer1.0": torch.zeros_like}):
        assert not torch.allclose(cbam(x), before)


@torch.no_grad()
@pytest.mark.parametrize("how", COPIES)
def test_copies_are_not_edited(how: str) -> None:
    network = small(nn.ReLU())
    expected = network(X)
    with edit_masks(network, {"1": torch.zeros_like}) as calls, edit_outputs(network, {"2": torch.ones_like}):
        other = COPIES[how](network)
        assert torch.equal(other(X), expected)
        assert hooks(other) == 0
        assert calls["1"] == 0
        assert (network(X) == 1).all()
    assert hooks(network) == 0


@torch.no_grad()
def test_other_threads_see_the_unchanged_network() -> None:
    network = small()
    expected, found = network(X), []
    with edit_masks(network, {"1": torch.zeros_like}) as calls:
        thread = threading.Thread(target=lambda: found.append(network(X)))
        thread.start()
        thread.join()
    assert torch.equal(found[0], expected)
    assert calls["1"] == 0


@torch.no_grad()
def test_a_thread_that_copies_the_context_is_not_edited() -> None:
    network = small()
    expected = network(X)

    async def other() -> Tensor:
        with edit_masks(network, {"1": torch.zeros_like}):
            return await asyncio.to_thread(network, X)

    assert torch.equal(asyncio.run(other()), expected)


def test_threads_have_edits_of_their_own() -> None:
    network = small()
    features = network[0](X).detach()

    @torch.no_grad()
    def scaled(factor: int) -> Tensor:
        with edit_masks(network, {"1": lambda mask: torch.full_like(mask, factor)}):
            return network(X)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(scaled, range(200)))
    assert all(torch.allclose(out, factor * features) for factor, out in enumerate(found))
    assert hooks(network) == 0


def test_gradients_pass_through() -> None:
    network = small()
    offset = torch.zeros(2, 4, 8, 8, requires_grad=True)
    with edit_masks(network, {"1": lambda mask: mask + offset}), Capture(network, outputs=["0"]) as seen:
        network(X).sum().backward()
    expected = seen.outputs["0"].unflatten(1, (4, 2)).sum(2)
    assert torch.allclose(offset.grad, expected, atol=1e-5)
