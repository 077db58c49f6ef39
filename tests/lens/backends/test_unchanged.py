"""Whether weights changed since they were exported."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import nn

from sge.lens.backends.unchanged import Unchanged
from sge.nn import MaskCapture
from tests.conftest import fill
from tests.lens.networks import Residual


def optimized(net: nn.Module) -> None:
    net(torch.zeros(1, 3, 32, 32)).sum().backward()
    torch.optim.SGD(net.parameters(), 1.0).step()


CHANGES: dict[str, Callable[[nn.Module], object]] = {
    "in place": lambda net: nn.init.zeros_(net.fc.bias),
    "an optimizer": optimized,
    "loaded": lambda net: net.load_state_dict(net.state_dict()),
    "assigned": lambda net: net.load_state_dict(
        {name: value.clone() for name, value in net.state_dict().items()}, assign=True
    ),
    "another type": lambda net: net.double(),
    "statistics": lambda net: net.train()(torch.zeros(2, 3, 96, 96)),
    "removed": lambda net: setattr(net.fc, "bias", None),
    "a module": lambda net: setattr(net.second, "2", nn.Identity()),
    "a module less": lambda net: delattr(net.second, "2"),
    "a hook": lambda net: net.first.register_forward_hook(lambda _m, _x, out: 2 * out),
    "a hook before": lambda net: net.first.register_forward_pre_hook(lambda _m, x: x),
    "replaced": lambda net: setattr(net.fc, "weight", nn.Parameter(net.fc.weight.detach().clone())),
}
NO_CHANGES: dict[str, Callable[[nn.Module], object]] = {
    "nothing": lambda _net: None,
    "a pass": lambda net: net(torch.zeros(1, 3, 32, 32)).sum().backward(),
    "a mode": lambda net: net.train(),
    "frozen": lambda net: net.requires_grad_(False),
    "read": lambda net: MaskCapture(net).__enter__().__exit__(None, None, None),
}


def test_a_capture_that_is_open_is_no_change() -> None:
    network = fill(Residual())
    unchanged = Unchanged(network)
    with MaskCapture(network):
        assert unchanged
    network.first.register_forward_hook(lambda *_: None)
    with MaskCapture(network):
        assert not unchanged


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_changes(change: Callable[[nn.Module], object]) -> None:
    network = fill(Residual())
    unchanged = Unchanged(network)
    assert unchanged
    change(network)
    assert not unchanged


@pytest.mark.parametrize("use", NO_CHANGES.values(), ids=NO_CHANGES.keys())
def test_no_changes(use: Callable[[nn.Module], object]) -> None:
    network = fill(Residual())
    unchanged = Unchanged(network)
    use(network)
    assert unchanged


def test_weights_of_inference_mode() -> None:
    with torch.inference_mode():
        network = fill(Residual())
    unchanged = Unchanged(network)
    assert unchanged
    network.fc.bias = None
    assert not unchanged


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_follow_the_copied_network(copied: Callable[[object], object]) -> None:
    network = fill(Residual())
    unchanged = Unchanged(network)
    own_network, own = copied((network, unchanged))
    assert own
    nn.init.zeros_(network.fc.bias)
    assert own
    assert not copied(unchanged)
    nn.init.zeros_(own_network.fc.bias)
    assert not own
