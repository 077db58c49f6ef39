"""What a capture records, and that it leaves nothing behind in the network."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import Tensor, nn

from sge.errors import CaptureError, UnknownBlockError
from sge.nn import SpatialGroupEnhance, insert_sge
from sge.nn.mask_capture import MaskCapture
from sge.nn.module import group_similarity
from tests.conftest import fill
from tests.nn.networks import Twice, hooks, randomize_gates, small


def test_what_is_recorded_is_what_the_formula_gives() -> None:
    network = small()
    x = torch.randn(2, 3, 9, 7)
    with MaskCapture(network, energy=True) as seen, torch.no_grad():
        out = network(x)
    features = network[0](x).detach()
    t = group_similarity(features, 4)
    torch.testing.assert_close(seen.similarity["1"], t)
    mask = torch.sigmoid(network[1].weight * t + network[1].bias).detach()
    torch.testing.assert_close(seen.masks["1"], mask)
    power = out.square().reshape(2, 4, -1).sum(2)
    torch.testing.assert_close(seen.energy["1"], power / power.sum(1, keepdim=True))
    assert seen.channels == {"1": 8}


class Spoiler(nn.Module):
    """Overwrites the output of SGE in place."""

    def forward(self, x: Tensor) -> Tensor:
        return x.zero_().add_(7)


class InPlaceGate(SpatialGroupEnhance):
    """Overwrites similarity and mask after the gate has run."""

    def forward(self, x: Tensor) -> Tensor:
        t = group_similarity(x, self.groups, self.eps)
        mask = self.gate(t, self.weight, self.bias)
        out = (x.unflatten(1, (self.groups, -1)) * mask.unsqueeze(2)).flatten(1, 2)
        t.zero_()
        mask.zero_()
        return out


def test_masks_are_safe_from_what_follows_in_place() -> None:
    x = torch.randn(1, 3, 8, 8)
    plain, spoilt = small(), small(Spoiler(), nn.ReLU(inplace=True))
    gated = randomize_gates(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), InPlaceGate(8, 4)))
    for network in (spoilt, gated):
        network.load_state_dict(plain.state_dict())
    results = []
    for network in (plain, spoilt, gated):
        with MaskCapture(network, energy=True) as seen, torch.no_grad():
            network(x)
        results.append((seen.masks["1"], seen.similarity["1"], seen.energy["1"]))
    for masks, t, energy in results[1:]:
        torch.testing.assert_close(masks, results[0][0])
        torch.testing.assert_close(t, results[0][1])
        torch.testing.assert_close(energy, results[0][2])


def test_the_network_computes_the_same_inside() -> None:
    network, x = small(), torch.randn(1, 3, 8, 8)
    outside = network(x)
    with MaskCapture(network, energy=True) as seen:
        assert torch.equal(network(x), outside)
    seen.masks["1"].zero_()
    assert torch.equal(network(x), outside)


def test_nothing_stays_behind() -> None:
    network = small()
    network[0].train()
    calls: list[int] = []
    network[1].register_forward_hook(lambda *_: calls.append(1))
    flags = [module.training for module in network.modules()]
    state = {key: value.clone() for key, value in network.state_dict().items()}
    with MaskCapture(network) as seen:
        assert hooks(network) == 3
        network(torch.randn(1, 3, 8, 8))
    assert hooks(network) == 1
    assert calls == [1]
    with pytest.raises(RuntimeError), MaskCapture(network) as broken:
        network(torch.randn(1, 5, 8, 8))
    with pytest.raises(KeyboardInterrupt), MaskCapture(network):
        raise KeyboardInterrupt
    assert hooks(network) == 1
    assert [module.training for module in network.modules()] == flags
    assert all(torch.equal(state[key], value) for key, value in network.state_dict().items())
    assert set(seen.masks) == {"1"}
    with pytest.raises(CaptureError):
        _ = broken.masks
    before = seen.masks["1"].clone()
    network(torch.randn(1, 3, 8, 8))
    assert torch.equal(seen.masks["1"], before)


def test_captures_nest() -> None:
    network = insert_sge(torchvision.models.resnet18(num_classes=5), 16).eval()
    x, y = torch.randn(1, 3, 32, 32), torch.randn(1, 3, 64, 32)
    with torch.no_grad(), MaskCapture(network) as outer:
        with MaskCapture(network, ["layer1.0"]) as inner:
            network(x)
        assert hooks(network) == 16
        first = inner.masks["layer1.0"]
        assert torch.equal(outer.masks["layer1.0"], first)
        network(y)
    assert hooks(network) == 0
    assert inner.masks["layer1.0"] is first
    assert outer.masks["layer1.0"].shape[2:] == (16, 8)
    assert len(outer.masks) == 8


def test_opened_again_it_forgets() -> None:
    network = small()
    seen = MaskCapture(network, energy=True)
    with seen:
        network(torch.randn(1, 3, 8, 8))
    assert seen.masks["1"].shape == (1, 4, 8, 8)
    with seen, pytest.raises(CaptureError):
        _ = seen.masks
    with seen:
        network(torch.randn(2, 3, 4, 4))
    assert seen.masks["1"].shape == (2, 4, 4, 4)
    assert hooks(network) == 0


def test_some_blocks_alone() -> None:
    network = randomize_gates(Twice())
    with MaskCapture(network, ["sge", "block.second"], energy=True) as seen:
        network(torch.randn(1, 8, 4, 4))
    assert list(seen.masks) == ["block.second", "sge"]  # in the order of the network
    assert list(seen.energy) == list(seen.channels) == list(seen.masks)


def test_unknown_blocks_and_networks_without() -> None:
    with pytest.raises(
        UnknownBlockError, match=r"No block x, y; there are: block\.first, block\.second, other, sge"
    ):
        MaskCapture(Twice(), ["x", "sge", "y"])
    with pytest.raises(CaptureError, match="Sequential has no SGE module"):
        MaskCapture(nn.Sequential(nn.Conv2d(3, 3, 1)))
    with pytest.raises(CaptureError, match="energy=True"), MaskCapture(small()) as seen:
        _ = seen.energy


class Skips(nn.Module):
    """Never calls the second of its gates."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = (
            nn.Sequential(SpatialGroupEnhance(8, 4)),
            nn.Sequential(SpatialGroupEnhance(8, 4)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)


def test_a_block_that_has_not_fired() -> None:
    with MaskCapture(small(), energy=True) as seen:
        pass
    for name in ("masks", "similarity", "energy", "channels"):
        with pytest.raises(CaptureError, match="No forward pass has gone through 1 inside"):
            getattr(seen, name)
    network = Skips()
    with MaskCapture(network) as seen, MaskCapture(network, ["used"]) as right:
        network(torch.randn(1, 8, 4, 4))
    with pytest.raises(CaptureError, match="through unused inside"):
        _ = seen.masks
    assert list(right.masks) == ["used"]


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False])
def test_gradients_flow_as_without(training: bool) -> None:
    def gradients(captured: bool) -> list[Tensor]:
        network = fill(insert_sge(torchvision.models.resnet18(num_classes=5), 16)).train(training)
        x = torch.linspace(-1, 1, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32)
        if captured:
            with MaskCapture(network, energy=True) as seen:
                network(x).square().sum().backward()
            recorded = [*seen.masks.values(), *seen.similarity.values(), *seen.energy.values()]
            assert not any(tensor.requires_grad for tensor in recorded)
        else:
            network(x).square().sum().backward()
        return [parameter.grad for parameter in network.parameters()]

    with_it, without = gradients(True), gradients(False)
    assert all(torch.equal(first, second) for first, second in zip(with_it, without, strict=True))
    assert any(gradient.abs().max() > 0 for gradient in with_it)


def test_autocast_to_bfloat16() -> None:
    network, x = small(), torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        with MaskCapture(network, energy=True) as exact:
            network(x)
        with torch.autocast("cpu", torch.bfloat16), MaskCapture(network, energy=True) as seen:
            out = network(x)
    assert out.dtype == torch.bfloat16
    for name in ("masks", "similarity", "energy"):
        assert getattr(seen, name)["1"].dtype == torch.float32
    torch.testing.assert_close(seen.masks["1"], exact.masks["1"], atol=0.05, rtol=0)
    torch.testing.assert_close(seen.energy["1"], exact.energy["1"], atol=0.02, rtol=0)
    torch.testing.assert_close(seen.energy["1"].sum(1), torch.ones(2))


def test_other_layouts_and_precisions() -> None:
    network, x = small(), torch.randn(2, 3, 8, 8)
    with MaskCapture(network) as seen, torch.inference_mode():
        network(x)
        plain = seen.masks["1"].clone()
        network(x.to(memory_format=torch.channels_last))
        torch.testing.assert_close(seen.masks["1"], plain)
        network.double()(x.double())
        assert seen.masks["1"].dtype == torch.float64
        torch.testing.assert_close(seen.masks["1"].float(), plain)


def test_a_module_used_twice_keeps_its_last_pass() -> None:
    gate = SpatialGroupEnhance(8, 4)
    network = randomize_gates(nn.Sequential(gate, nn.MaxPool2d(2), gate))
    with MaskCapture(network) as seen:
        network(torch.randn(1, 8, 8, 8))
    assert [tuple(mask.shape) for mask in seen.masks.values()] == [(1, 4, 4, 4)]


def test_one_cell_maps() -> None:
    network = small()
    with MaskCapture(network) as seen:
        network(torch.randn(2, 3, 1, 1))
    assert seen.similarity["1"].abs().max() == 0
    torch.testing.assert_close(seen.masks["1"], torch.sigmoid(network[1].bias).detach().expand(2, 4, 1, 1))


def test_one_name_is_a_name_and_no_name_is_an_error() -> None:
    net = insert_sge(torchvision.models.resnet18(), 16, where="layer1.0").eval()
    with MaskCapture(net, "layer1.0") as seen:
        net(torch.zeros(1, 3, 32, 32))
    assert list(seen.masks) == ["layer1.0"]
    with pytest.raises(UnknownBlockError, match=r"No block is named; there are: layer1\.0"):
        MaskCapture(net, [])
