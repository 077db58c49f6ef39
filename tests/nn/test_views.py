"""A view runs a network in eval mode and leaves the network, whatever it consists of, as it is."""

from __future__ import annotations

import copy
import threading
import weakref
from collections import defaultdict, deque, namedtuple
from collections.abc import Callable
from functools import partial
from types import MappingProxyType, MethodType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.nn.utils import parametrizations, prune

from sge.errors import UnsupportedNetworkError
from sge.nn import SpatialGroupEnhance, eval_view, spatial_blocks
from sge.nn.capture import Capture
from sge.nn.intervention import edit_masks
from sge.nn.mask_capture import MaskCapture
from tests.nn.networks import hooks, randomize_gates, small

X = torch.linspace(-1, 1, 2 * 3 * 12 * 12).reshape(2, 3, 12, 12)


def normed() -> nn.Sequential:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.Dropout(0.5),
        SpatialGroupEnhance(8, 4),
        nn.Conv2d(8, 8, 1),
        nn.BatchNorm2d(8),
    )
    randomize_gates(network)
    for norm in (network[1], network[5]):
        nn.init.uniform_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    return network


class Runner:
    """An object of a class of its own that holds the network."""

    __slots__ = ("network",)

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def __call__(self, x: Tensor) -> Tensor:
        return self.network.body(x)


Pair = namedtuple("Pair", ["first", "second"])
WAYS: dict[str, Callable[[nn.Module], Callable[[Tensor], Tensor]]] = {
    "named tuple": lambda own: partial(lambda pair, x: pair.first(x) * pair.second, Pair(own.body, 1)),
    "deque": lambda own: partial(lambda q, x: q[0](x), deque([own.body])),
    "default dict": lambda own: partial(lambda d, x: d["k"](x), defaultdict(list, k=own.body)),
    "namespace": lambda own: partial(lambda n, x: n.body(x), SimpleNamespace(body=own.body)),
    "read-only mapping": lambda own: partial(lambda m, x: m["k"](x), MappingProxyType({"k": own.body})),
    "slots": Runner,
    "method of an object": lambda own: Runner(own).__call__,
    "object in an object": lambda own: Runner(SimpleNamespace(body=Runner(SimpleNamespace(body=own.body)))),
    "weak reference": lambda own: partial(lambda ref, x: ref()(x), weakref.ref(own.body)),
    "default": lambda own: lambda x, net=own: net.body(x),
    "named default": lambda own: partial(lambda x, *, net=own: net.body(x)),
}
"""How a forward reaches the layers without an attribute of their parent."""


class Reaching(nn.Module):
    """Calls its layers in one of ``WAYS``."""

    __slots__ = ("way",)

    def __init__(self, way: str) -> None:
        super().__init__()
        self.body = normed()
        object.__setattr__(self, "way", WAYS[way](self))

    def forward(self, x: Tensor) -> Tensor:
        return self.way(x)


class Holder(nn.Module):
    """Keeps references to its layers in the ways that people use."""

    def __init__(self) -> None:
        super().__init__()
        self.body = normed()
        self.listed = [self.body[0], (self.body[1], {"drop": self.body[2]})]
        self.object = partial(self.run, last=self.body[5])
        self.bound = self.tail

    def run(self, x: Tensor, last: nn.Module) -> Tensor:
        return last(self.bound(x))

    def tail(self, x: Tensor) -> Tensor:
        return self.body[4](self.body[3](x))

    def forward(self, x: Tensor) -> Tensor:
        first, (norm, more) = self.listed
        return self.object(more["drop"](norm(first(x))))


def replaced_by_function() -> nn.Module:
    network = normed()
    layers = list(network)

    def forward(x: Tensor) -> Tensor:
        for layer in layers:
            x = layer(x)
        return x

    network.forward = forward
    return network


def replaced_by_method() -> nn.Module:
    network = normed()
    original = network.forward
    network.forward = MethodType(lambda self, x: original(x) + 0 * len(self), network)
    return network


def accelerated() -> nn.Module:
    """As accelerate replaces a forward."""
    network = normed()
    network._old_forward = network.forward
    network.forward = partial(lambda module, x: module._old_forward(x), network)
    return network


def pruned() -> nn.Module:
    network = normed()
    prune.random_unstructured(network[0], "weight", 0.5)
    return network


def parametrized() -> nn.Module:
    network = normed()
    parametrizations.weight_norm(network[0])
    parametrizations.orthogonal(network[4])
    return network


def compiled_in_place() -> nn.Module:
    network = normed()
    network.compile(backend="eager")
    network[4].compile(backend="eager")
    return network


def compiled_method() -> nn.Module:
    network = normed()
    network.forward = torch.compile(network.forward, backend="eager")
    return network


def compiled_stage() -> nn.Module:
    network = normed()
    network[3] = torch.compile(network[3], backend="eager")
    return network


def scripted_stage() -> nn.Module:
    network = normed()
    network[5] = torch.jit.script(network[5])
    return network


def recomputed() -> nn.Module:
    network = normed()
    network[3] = checkpoint_wrapper(network[3])
    return network


def shared() -> nn.Module:
    network = normed()
    return nn.Sequential(network, network[4], network[5])


KINDS: dict[str, Callable[[], nn.Module]] = {
    "plain": normed,
    "references": Holder,
    "function": replaced_by_function,
    "method": replaced_by_method,
    "accelerate": accelerated,
    "pruned": pruned,
    "parametrized": parametrized,
    "compiled": lambda: torch.compile(normed(), backend="eager"),
    "compiled in place": compiled_in_place,
    "compiled method": compiled_method,
    "compiled stage": compiled_stage,
    "scripted stage": scripted_stage,
    "DataParallel": lambda: nn.DataParallel(nn.DataParallel(normed())),
    "recomputed": recomputed,
    "averaged": lambda: torch.optim.swa_utils.AveragedModel(normed()),
    "shared": shared,
    **{way: partial(Reaching, way) for way in WAYS},
}


def everything(network: nn.Module) -> list[Any]:
    """All that a pass could leave behind."""
    state = [value.clone() for value in network.state_dict().values()]
    flags = [(module.training, sorted(module.__dict__)) for module in network.modules()]
    return [*state, flags, hooks(network), [p.grad for p in network.parameters()]]


def same(before: list[Any], after: list[Any]) -> bool:
    return all(
        torch.equal(a, b) if isinstance(a, Tensor) else a == b for a, b in zip(before, after, strict=True)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_view_computes_as_the_network_in_eval_mode_and_leaves_it(kind: str) -> None:
    torch.manual_seed(3)
    network = KINDS[kind]()
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        expected = network.eval()(X)
    network.train()
    before = everything(network)
    with torch.no_grad():
        view = eval_view(network)
        with MaskCapture(view) as seen:
            assert torch.equal(view(X), expected)
    assert same(before, everything(network))
    assert not any(module.training for module in view.modules())
    assert [set(seen.masks)] == [set(spatial_blocks(network))]
    with torch.no_grad(), edit_masks(view, dict.fromkeys(seen.masks, torch.zeros_like)) as calls:
        assert not torch.equal(view(X), expected)
    assert set(calls) == set(seen.masks)
    assert same(before, everything(network))


def test_a_view_sees_what_the_network_becomes() -> None:
    network = normed()
    view = eval_view(network)
    with torch.no_grad():
        network[0].weight.mul_(2)
        network[5].running_mean.add_(1)
        assert torch.equal(view(X), network.eval()(X))
        network.double()
        assert torch.equal(eval_view(network)(X.double()), network(X.double()))


def test_gradients_reach_the_networks_own_parameters() -> None:
    network = normed()
    eval_view(network)(X).sum().backward()
    expected = copy.deepcopy(network.eval())
    expected.zero_grad()
    expected(X).sum().backward()
    for one, other in zip(network.parameters(), expected.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


def test_what_a_pass_assigns_stays_in_the_view() -> None:
    class Remembers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cached: Tensor | None = None
            self.register_buffer("last", torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            self.cached = x if self.cached is None else self.cached
            self.last = x.mean()
            return x

    network = nn.Sequential(Remembers())
    with torch.inference_mode():
        eval_view(network)(X)
    assert network[0].cached is None
    assert torch.equal(network[0].last, torch.zeros(1))


class Hostile(dict):
    """Refuses to be read and copied."""

    def values(self) -> Any:
        raise RuntimeError("not for you")

    __len__ = __copy__ = __reduce_ex__ = values


def test_values_that_refuse_and_hooks_that_record() -> None:
    class Recorder:
        def __init__(self, network: nn.Module) -> None:
            self.network, self.last = network, None

        def __call__(self, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
            self.last = output

    network = normed().eval()
    network[0].hostile = Hostile(layer=network[1])
    recorder = Recorder(network)
    network[5].register_forward_hook(recorder)
    expected = network(X)
    recorder.last = None
    assert torch.equal(eval_view(network)(X), expected)
    assert torch.equal(recorder.last, expected)


def test_hooks_of_others_run_and_captures_of_others_do_not() -> None:
    network, calls = small(), []
    network[0].register_forward_hook(lambda module, _inputs, output: calls.append(type(module)))
    elsewhere = MaskCapture(network)
    thread = threading.Thread(target=elsewhere.__enter__)
    thread.start()
    thread.join()
    with torch.no_grad(), MaskCapture(network) as mine, Capture(network, outputs=["0"]) as outer:
        eval_view(network)(X)
    elsewhere.__exit__(None, None, None)
    assert calls == [nn.Conv2d]
    assert len(mine.masks["1"]) == len(outer.outputs["0"]) == 2
    assert not elsewhere._records.masks
    assert not elsewhere._records.elsewhere
    assert hooks(network) == 1


def test_fsdp_is_refused_in_words() -> None:
    class FullyShardedDataParallel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self._fsdp_wrapped_module = small()

    with pytest.raises(UnsupportedNetworkError, match=r"FSDP splits .* full state dict"):
        eval_view(FullyShardedDataParallel())
    assert list(spatial_blocks(FullyShardedDataParallel())) == ["1"]
