"""Modules of other people's code are recognized by what they compute; others are not, and nothing about them changes."""

from __future__ import annotations

import copy
import gc
import weakref

import pytest
import torch
from timm.layers import BatchNormAct2d, GroupNormAct, LayerNorm2d
from torch import nn

from sge.errors import CaptureError, UnsupportedNetworkError
from sge.nn import (
    Capture,
    Formula,
    MaskCapture,
    SpatialGroupEnhance,
    convert_sge,
    edit_masks,
    eval_view,
    foreign_report,
    foreign_sge,
    inactive_groups,
    own_sge_blocks,
    sge_blocks,
    spatial_blocks,
)
from tests.nn.foreign_modules import (
    KINDS,
    NOT_SGE,
    Averaged,
    Biased,
    ByEinsum,
    ByViews,
    Drawing,
    Interleaved,
    Residual,
    Single,
    Volumetric,
    network_with,
)
from tests.nn.networks import hooks

FORMULAS = {
    ByViews: Formula(8),
    ByEinsum: Formula(4),
    Volumetric: Formula(4, "biased", 1e-3, "variance"),
    Interleaved: Formula(4, order="interleaved"),
    Biased: Formula(8, "biased"),
    Averaged: Formula(8, products="mean"),
    Single: Formula(8),
    Residual: Formula(8, residual=True),
}
foreign = pytest.mark.parametrize("kind", KINDS)


def features_of(network: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
    return network[:2](x).detach()


@foreign
def test_the_formula_is_found(kind: type[nn.Module]) -> None:
    found = foreign_sge(kind())
    assert found is not None
    assert found.formula == FORMULAS[kind]
    assert found.weight.shape == found.bias.shape == (1, found.groups, 1, 1)


@pytest.mark.parametrize("eps", [0.0, 1e-12, 1e-6, 1e-3, 0.25])
@pytest.mark.parametrize("kind", [ByViews, Biased])
def test_every_eps_is_found(kind: type[ByViews], eps: float) -> None:
    found = foreign_sge(kind(4, eps))
    assert found is not None
    assert found.formula.eps == pytest.approx(eps)


@pytest.mark.parametrize("groups", [1, 3, 64])
def test_every_number_of_groups_is_found(groups: int) -> None:
    found = foreign_sge(ByViews(groups))
    assert found is not None
    assert found.formula == Formula(groups)


@pytest.mark.parametrize("kind", NOT_SGE)
def test_what_only_looks_like_sge_is_no_block_and_the_report_says_why(kind: type[nn.Module]) -> None:
    network = nn.Sequential(nn.Conv2d(3, 16, 1), kind())
    assert sge_blocks(network) == {}
    (sentence,) = foreign_report(network).values()
    if spatial_blocks(network):  # It has other maps.
        assert sentence.startswith(
            f"{kind.__name__} multiplies features by 8 spatial maps; as SGE it is not used,"
        )
        return
    assert sentence.startswith(f"{kind.__name__} is not used as SGE: it ")
    with pytest.raises(CaptureError, match=r"1 looks like SGE, but it .*foreign_report"):
        MaskCapture(network)


def test_norms_are_not_even_candidates() -> None:
    norms = (LayerNorm2d(8), GroupNormAct(8, 2), BatchNormAct2d(8))
    network = nn.Sequential(
        nn.BatchNorm2d(8), nn.GroupNorm(2, 8), nn.LayerNorm(8), nn.Conv2d(8, 8, 1, groups=8), *norms
    )
    assert foreign_report(network) == {}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.half, torch.bfloat16])
@pytest.mark.parametrize("kind", [ByViews, ByEinsum])
def test_half_precision_and_networks_without_values(kind: type[nn.Module], dtype: torch.dtype) -> None:
    found = foreign_sge(kind().to(dtype))
    assert found is not None
    assert found.formula == FORMULAS[kind]
    with torch.device("meta"):
        made = kind().to(dtype)
        again = foreign_sge(made)
    assert again is not None
    assert again.weight.is_meta


def test_trying_changes_nothing() -> None:
    module = Drawing()
    module.register_forward_hook(lambda *_: pytest.fail("a hook of the user was called"))
    before = copy.deepcopy(module.state_dict())
    state = torch.get_rng_state()
    assert foreign_sge(module) is not None
    assert torch.equal(torch.get_rng_state(), state)
    assert module.training
    assert module.seen == []
    assert not hasattr(module, "last")
    torch.testing.assert_close(module.state_dict(), before)


def test_the_network_is_not_kept_alive() -> None:
    network = network_with(ByViews())
    with MaskCapture(network), torch.no_grad():
        network(torch.randn(1, 3, 16, 16))
    gone = weakref.ref(network[2])
    del network
    gc.collect()
    assert gone() is None


def test_another_configuration_of_a_class_is_tried_again() -> None:
    module = ByViews(8)
    assert foreign_sge(module) is not None
    module.eps = 0.5
    found = foreign_sge(module)
    assert found is not None
    assert found.formula.eps == 0.5


@foreign
def test_masks_are_those_that_the_module_multiplies_by(kind: type[nn.Module]) -> None:
    network = network_with(kind())
    x = torch.randn(2, 3, 18, 14)
    with torch.no_grad():
        plain = network(x)
        with MaskCapture(network, energy=True) as seen:
            out = network(x)
        features = features_of(network, x)
        after = network[2](features.clone())
    assert torch.equal(out, plain)
    formula = FORMULAS[kind]
    torch.testing.assert_close(formula.multiplied(features, seen.masks["2"]), after, rtol=1e-4, atol=1e-5)
    assert seen.channels == {"2": 16}
    assert seen.energy["2"].shape == (2, formula.groups)
    assert hooks(network) == 0
    assert hooks(nn.ModuleList([sge_blocks(network)["2"].gate])) == 0


@foreign
def test_edits_take_the_place_of_the_mask(kind: type[nn.Module]) -> None:
    network = network_with(kind())
    x = torch.randn(1, 3, 18, 14)
    with torch.no_grad():
        more = FORMULAS[kind].residual
        rest, halved = (network[3:](features_of(network, x) * (scale + more)) for scale in (1, 0.5))
        with edit_masks(network, {"2": torch.ones_like}) as calls, MaskCapture(network) as seen:
            out = network(x)
        torch.testing.assert_close(out, rest)
        assert calls == {"2": 1}
        assert bool((seen.masks["2"] == 1).all())
        with (
            edit_masks(network, {"2": torch.ones_like}),
            edit_masks(network, {"2": lambda mask: mask.mul_(0.5)}),
        ):
            torch.testing.assert_close(network(x), halved)
            torch.testing.assert_close(eval_view(network)(x), halved)
        assert hooks(network) == 0


@foreign
def test_gradients_reach_what_a_capture_reads(kind: type[nn.Module]) -> None:
    network = network_with(kind())
    with MaskCapture(network), Capture(network, grad=True) as seen:
        logits = network(torch.randn(2, 3, 18, 14))
    (slope,) = torch.autograd.grad(logits.sum(), seen.masks["2"])
    assert bool(slope.any())


def test_a_module_used_twice_keeps_its_last_pass() -> None:
    module = ByViews(4)
    network = network_with(nn.Sequential(module, nn.Tanh(), module))
    x = torch.randn(1, 3, 18, 14)
    with torch.no_grad(), MaskCapture(network) as seen:
        network(x)
    with torch.no_grad():
        second = network[2][:2](features_of(network, x))
    found = foreign_sge(module)
    assert found is not None
    expected = torch.sigmoid(found.formula.similarity(second) * found.weight + found.bias)
    torch.testing.assert_close(*seen.masks.values(), expected.detach())


def test_a_failed_pass_leaves_nothing_for_the_next() -> None:
    network = network_with(ByViews(8))
    x = torch.randn(1, 3, 18, 14)
    with torch.no_grad(), MaskCapture(network) as seen:
        with pytest.raises(RuntimeError):
            network(x[:, :2])
        with edit_masks(network, {"2": lambda mask: mask / 0}), pytest.raises(ZeroDivisionError):
            raise ZeroDivisionError
        network(x)
    assert bool((seen.masks["2"] < 1).all())


def test_groups_that_do_not_divide_are_refused_in_words() -> None:
    network = network_with(ByViews(8), channels=12)
    with MaskCapture(network), pytest.raises(Exception, match="8 groups do not divide 12 channels"):
        network(torch.randn(1, 3, 18, 14))


def test_weights_of_zero_are_inactive() -> None:
    (block,) = sge_blocks(nn.Sequential(ByViews(8))).values()
    assert inactive_groups(block) == 8


@pytest.mark.parametrize("kind", [ByViews, Biased, Averaged, Residual])
def test_conversion_keeps_outputs_parameters_and_keys(kind: type[nn.Module]) -> None:
    network = network_with(kind())
    x = torch.randn(2, 3, 18, 14)
    with torch.no_grad():
        expected = network(x)
    parameters, keys = list(network.parameters()), list(network.state_dict())
    assert convert_sge(network) is network
    assert isinstance(network[2], SpatialGroupEnhance)
    assert list(own_sge_blocks(network)) == ["2"]
    assert all(one is other for one, other in zip(network.parameters(), parameters, strict=True))
    assert list(network.state_dict()) == keys
    with torch.no_grad(), MaskCapture(network) as seen:
        torch.testing.assert_close(network(x), expected)
    assert seen.masks["2"].shape == (2, 8, 9, 7)
    torch.testing.assert_close(copy.deepcopy(network)(x), expected)
    torch.testing.assert_close(torch.jit.script(network)(x), expected)


@pytest.mark.parametrize(("kind", "why"), [(ByEinsum, "gamma and beta"), (Interleaved, "interleaved")])
def test_what_cannot_be_converted_is_refused_and_stays(kind: type[nn.Module], why: str) -> None:
    network = nn.Sequential(ByViews(4), kind())
    with pytest.raises(UnsupportedNetworkError, match=why):
        convert_sge(network)
    assert type(network[0]) is ByViews
    with pytest.raises(UnsupportedNetworkError, match="convert_sge"):
        own_sge_blocks(network)


def test_threads_read_their_own_passes() -> None:
    from concurrent.futures import ThreadPoolExecutor

    network = network_with(ByViews(8))
    inputs = [torch.randn(1, 3, 18, 14) for _ in range(6)]

    def masks(x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad(), MaskCapture(network) as seen:
            network(x)
        return seen.masks["2"]

    alone = [masks(x) for x in inputs]
    with ThreadPoolExecutor(3) as pool:
        for found, expected in zip(pool.map(masks, inputs), alone, strict=True):
            torch.testing.assert_close(found, expected)
