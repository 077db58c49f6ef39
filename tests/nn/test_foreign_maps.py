"""Spatial maps of other people's CBAM, BAM and the like are recognized by their effect, read and edited."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from timm.layers.cbam import CbamModule
from torch import Tensor, nn
from torch.overrides import _get_current_function_mode_stack

import sge
from sge.models.export import export_onnx
from sge.nn import (
    Capture,
    MaskCapture,
    edit_masks,
    eval_view,
    foreign_report,
    foreign_sge,
    sge_blocks,
    spatial_blocks,
)
from tests.drawn_images import scene
from tests.models.test_export import run
from tests.nn.foreign_maps import MAPS, NO_MAPS, Cbam, Guided, Head, InBlock, SpatialGate
from tests.nn.foreign_modules import network_with
from tests.nn.networks import hooks

maps = pytest.mark.parametrize("kind", MAPS)


def maps_by_hand(network: nn.Module, x: Tensor, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Every output of a sigmoid over positions in a pass, read without this package."""
    seen: list[Tensor] = []
    for owner, name in ((torch, "sigmoid"), (Tensor, "sigmoid"), (nn.functional, "hardsigmoid")):
        function = getattr(owner, name)

        def noted(*args, function=function, **named):
            out = function(*args, **named)
            seen.append(out.clone())
            return out

        monkeypatch.setattr(owner, name, noted)
    with torch.no_grad():
        network(x)
    monkeypatch.undo()
    return [one for one in seen if one.shape[-1] > 1]


@maps
def test_maps_are_those_that_multiply(kind: type[nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_with(kind(16))
    x = torch.randn(2, 3, 18, 14)
    (expected,) = maps_by_hand(network, x, monkeypatch)
    assert {name: one.groups for name, one in spatial_blocks(network).items()} == {"2": MAPS[kind]}
    assert sge_blocks(network) == {}
    with torch.no_grad():
        plain = network(x)
        for tried in (network, copy.deepcopy(network), torch.compile(network, backend="eager")):
            with MaskCapture(tried, energy=True) as seen:
                assert torch.equal(tried(x), plain)
            torch.testing.assert_close(seen.masks["2"], expected.reshape(seen.masks["2"].shape))
            assert seen.similarity["2"].shape == seen.masks["2"].shape
            torch.testing.assert_close(seen.energy["2"].sum(1), torch.ones(2))
    assert hooks(network) == 0


@maps
def test_edits_take_the_place_of_the_map(kind: type[nn.Module]) -> None:
    network = network_with(kind(16))
    x = torch.randn(2, 3, 18, 14)
    with torch.no_grad():
        plain = network(x)
        features = network[:2](x)
        with edit_masks(network, {"2": torch.zeros_like}) as calls, MaskCapture(network) as seen:
            out, viewed = network[2](features), eval_view(network[2])(features)
        assert not bool(seen.masks["2"].any())
        assert calls == {"2": 2}
        torch.testing.assert_close(out, viewed)
        without = network[2].shortcut(features).relu() if kind is InBlock else features * (MAPS[kind] == 16)
        torch.testing.assert_close(out, without)
        assert torch.equal(network(x), plain)


@maps
def test_gradients_reach_the_map(kind: type[nn.Module]) -> None:
    network = network_with(kind(16))
    with MaskCapture(network), Capture(network, grad=True) as seen:
        logits = network(torch.randn(2, 3, 18, 14))
    (slope,) = torch.autograd.grad(logits.sum(), seen.masks["2"])
    assert bool(slope.any())


def test_a_gate_with_a_guide() -> None:
    gate = Guided(16)
    guide, x = torch.randn(2, 8, 9, 7), torch.randn(2, 16, 9, 7)
    with torch.no_grad():
        expected = gate.psi(gate.guide(guide) + gate.own(x))
        with MaskCapture(gate) as seen:
            torch.testing.assert_close(gate(guide, x), x * expected)
    torch.testing.assert_close(*seen.masks.values(), expected)


def test_the_cbam_of_timm() -> None:
    module = CbamModule(16)
    assert [one.groups for one in spatial_blocks(module).values()] == [1]


def test_a_failed_pass_leaves_nothing() -> None:
    network = network_with(Cbam(16))
    with torch.no_grad(), MaskCapture(network) as seen:
        with pytest.raises(RuntimeError):
            network[2](torch.zeros(1, 5, 9, 9))
        assert not _get_current_function_mode_stack()
        network(torch.randn(1, 3, 18, 14))
    assert seen.masks["2"].shape == (1, 1, 9, 7)
    assert hooks(network) == 0


@pytest.mark.parametrize("kind", NO_MAPS)
def test_other_gates_are_no_maps(kind: type[nn.Module]) -> None:
    network = network_with(kind(16))
    assert spatial_blocks(network) == {}
    told = foreign_report(network)
    assert all("is not used as spatial attention" in sentence for sentence in told.values())
    assert bool(told) == (kind.__name__ in ("Swish", "Gated", "Head"))


def test_the_report_names_the_maps_and_nothing_inside() -> None:
    network = nn.Sequential(Cbam(16), Head(16))
    state = copy.deepcopy(network.state_dict())
    told = foreign_report(network)
    assert list(told) == ["0", "1"]
    assert told["0"] == "Cbam multiplies features by 1 spatial map."
    assert foreign_sge(network[0]) is None
    torch.testing.assert_close(network.state_dict(), state)


@pytest.mark.parametrize("kind", [Cbam, SpatialGate, InBlock])
def test_exported_and_analyzed(kind: type[nn.Module], tmp_path: Path) -> None:
    network = network_with(kind(16))
    model = sge.Model("mine", network, list("abcde"), preprocess=sge.Preprocess(resize=32, size=32))
    image = torch.randn(2, 3, 50, 38)
    with torch.no_grad(), MaskCapture(network) as seen:
        logits = network(image)
    found = run(export_onnx(model, tmp_path / "mine.onnx"), image)
    torch.testing.assert_close(found["logits"], logits, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found["mask/2"], seen.masks["2"], rtol=1e-3, atol=1e-3)
    lens = sge.Lens(model, device="cpu", backend="torch")
    analysis = lens.analyze(scene())
    side = 8 if kind is InBlock else 16
    assert analysis.masks["2"].shape[:2] == (1, side)
    assert analysis.overlay("2", group=0).size == scene().size
