"""Batch norms folded into convolutions: the same logits and maps, and never an old network's."""

from __future__ import annotations

import copy
import pickle
import threading

import pytest
import timm
import torch
import torchvision
from torch import nn

from sge.nn import Capture, FoldedViews, eval_view, insert_sge, sge_blocks
from sge.nn.folding import find_pairs


class Small(nn.Module):
    """A network in which each kind of neighbour of a batch norm is there."""

    def __init__(self, order="conv-norm", bias=False, affine=True):
        super().__init__()
        self.order = order
        self.conv = nn.Conv2d(3, 8, 3, bias=bias)
        self.norm = nn.BatchNorm2d(8, affine=affine)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.conv(x)
        if self.order == "conv-relu-norm":
            x = x.relu()
        y = self.norm(x)
        if self.order == "conv-used-twice":
            y = y + x
        return self.head(y.mean((2, 3)))


def drawn(network, seed=0):
    """The network with batch norms that do something."""
    random = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.running_mean, module.bias):
                if values is not None:
                    values.data.uniform_(-0.5, 0.5, generator=random)
            for values in (module.running_var, module.weight):
                if values is not None:
                    values.data.uniform_(0.5, 1.5, generator=random)
    return network.eval()


def logits(views, x):
    with torch.no_grad(), views.view() as view:
        return view(x.clone())


def folded(view):
    return not any(isinstance(module, nn.BatchNorm2d) for module in view.modules())


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("affine", [False, True])
def test_a_batch_norm_after_a_convolution_is_folded(bias, affine):
    network = drawn(Small(bias=bias, affine=affine))
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad(), FoldedViews(network).view() as view:
        assert folded(view)
        assert torch.allclose(view(x), network(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("order", ["conv-relu-norm", "conv-used-twice"])
def test_what_is_not_alone_between_the_two_prevents_it(order):
    network = drawn(Small(order))
    network.norm.weight.data.zero_()  # Then the wrong network would have the right logits of the first kind.
    x = torch.randn(2, 3, 64, 64)
    assert find_pairs(network) == ()
    assert torch.equal(logits(FoldedViews(network), x), network(x).detach())


NETWORKS = {
    "resnet18": lambda: torchvision.models.resnet18(num_classes=7),
    "lite0": lambda: timm.create_model("tf_efficientnet_lite0", num_classes=7),
}


@pytest.mark.parametrize("seed", range(4))
def test_rounding_that_gates_amplify_does_not_prevent_it(seed):
    torch.manual_seed(seed)
    network = drawn(insert_sge(NETWORKS["lite0"]()), seed)
    for module in sge_blocks(network).values():
        module.weight.data.fill_(0.7)
    assert find_pairs(network)


@pytest.mark.parametrize("name", ["resnet18", "lite0"])
def test_logits_and_maps_stay_the_same(name):
    torch.manual_seed(0)
    network = drawn(insert_sge(NETWORKS[name]()), 1)
    for module in sge_blocks(network).values():
        module.weight.data.fill_(0.7)
    x = torch.nn.functional.interpolate(torch.randn(2, 3, 9, 12), (96, 128), mode="bicubic")
    found = []
    for view in (eval_view(network), None):
        with torch.no_grad():
            if view is not None:
                with Capture(view, energy=True) as seen:
                    found.append((view(x), seen))
                continue
            with FoldedViews(network).view() as view:
                assert folded(view)
                with Capture(view, energy=True) as seen:
                    found.append((view(x), seen))
    (expected, before), (given, after) = found
    with torch.no_grad(), Capture(double := copy.deepcopy(network).double(), energy=True) as exact:
        logits = double(x.double())
    assert list(before.masks) == list(after.masks)
    # SGE amplifies rounding where a map is nearly constant, so that both may be off; folding adds nothing.
    assert apart(given, logits) < max(1e-4 * float(logits.abs().max()), 4 * apart(expected, logits))
    for signal, least in (("masks", 1e-3), ("energy", 1e-4)):
        for name, values in getattr(exact, signal).items():
            plain, folded_ = getattr(before, signal)[name], getattr(after, signal)[name]
            assert apart(folded_, values) < max(least, 4 * apart(plain, values)), name


def apart(found, expected):
    return float((found.double() - expected).abs().max())


def test_the_network_stays_as_it_is():
    network = drawn(insert_sge(NETWORKS["resnet18"]()))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    logits(FoldedViews(network), torch.randn(1, 3, 64, 64))
    assert list(network.state_dict()) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_threads_have_views_of_their_own_and_equal_results():
    network = drawn(Small())
    views = FoldedViews(network)
    inputs = [torch.randn(1, 3, 64, 64) for _ in range(6)]
    expected = [logits(views, x) for x in inputs]
    found: dict[int, list[bool]] = {}
    inside: list[int] = []

    def work(number):
        found[number] = []
        for _ in range(5):
            for x, right in zip(inputs, expected, strict=True):
                with torch.no_grad(), views.view() as view:
                    inside.append(id(view))
                    found[number].append(torch.equal(view(x.clone()), right))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(all(results) and len(results) == 30 for results in found.values())
    assert len(set(inside)) <= 4  # views are used again


def test_a_view_is_not_used_again_after_an_error():
    views = FoldedViews(drawn(Small()))
    with pytest.raises(KeyError), views.view() as failed:
        raise KeyError
    with views.view() as view:
        assert view is not failed


def test_copies_have_the_network_of_the_copy():
    network = drawn(Small())
    views, x = FoldedViews(network), torch.randn(1, 3, 64, 64)
    before = logits(views, x)
    for other in (copy.deepcopy(views), pickle.loads(pickle.dumps(views))):
        network.norm.running_mean.add_(1)
        assert torch.equal(logits(other, x), before)
        network.norm.running_mean.sub_(1)


def test_hooks_of_the_network_are_called():
    network = drawn(Small())
    network.norm.register_forward_hook(lambda _m, _i, out: 3 * out)
    x = torch.randn(1, 3, 64, 64)
    assert torch.allclose(logits(FoldedViews(network), x), network(x).detach(), rtol=1e-4, atol=1e-5)
