"""SGE in the blocks of torchvision's networks beside ResNets: outputs stay, and the network is used as before."""

from __future__ import annotations

import copy
import io
import pickle
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torchvision import models
from torchvision.models import convnext, efficientnet

from sge.errors import GroupsError, UnsupportedNetworkError
from sge.nn import insert_sge, sge_blocks
from sge.nn.insertion.sites import GainedSGE
from sge.nn.mask_capture import MaskCapture
from tests.conftest import filled
from tests.nn.networks import COPIES, efficientnet_v2, small_convnext


def efficientnet_b() -> nn.Module:
    """A block without expansion and three with it."""
    plain = efficientnet.MBConvConfig
    settings = [plain(1, 3, 1, 16, 16, 1, 1.0, 1.0), plain(6, 5, 2, 16, 24, 3, 1.0, 1.0)]
    return models.EfficientNet(settings, dropout=0.1, last_channel=64, num_classes=10)


NETWORKS = {
    "mobilenet_v2": (lambda: models.mobilenet_v2(width_mult=0.25), "features.2", 16),
    "mobilenet_v3": (lambda: models.mobilenet_v3_small(width_mult=0.5), "features.2", 10),
    "mnasnet": (lambda: models.mnasnet0_5(), "layers.8.0", 16),
    "efficientnet": (efficientnet_b, "features.2.0", 3),
    "efficientnet_v2": (efficientnet_v2, "features.2.0", 3),
    "convnext": (small_convnext, "features.1.0", 3),
    "densenet": (
        lambda: models.DenseNet(8, (2, 3), 16, num_classes=10),
        "features.denseblock1.denselayer1",
        5,
    ),
    "googlenet": (
        lambda: models.googlenet(init_weights=False, aux_logits=False, num_classes=10),
        "inception3a",
        9,
    ),
}
"""A builder, the name of the first block, and the number of blocks."""


def fill(network: nn.Module) -> nn.Module:
    """As ``tests.conftest.fill``, without loading a state dict: MNASNet asks that of a file for its version."""
    with torch.no_grad():
        for key, values in network.state_dict().items():
            values.copy_(torch.from_numpy(filled(key, tuple(values.shape))))
    return network.eval()


def image() -> Tensor:
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(3))


def run(network: nn.Module) -> Tensor:
    with torch.inference_mode():
        return network(image())


def difference(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max() / second.abs().max())


def acting(network: nn.Module) -> nn.Module:
    """The network with gates that act."""
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in sge_blocks(network).values():
            module.weight.normal_(generator=random)
    return network


@pytest.fixture(scope="module", params=list(NETWORKS))
def pair(request: pytest.FixtureRequest) -> tuple[nn.Module, nn.Module]:
    """A network, and a copy of it with SGE."""
    network = fill(NETWORKS[request.param][0]())
    network.case = request.param
    return network, insert_sge(copy.deepcopy(network), groups=8)


def test_outputs_keys_and_names(pair):
    network, inserted = pair
    before = run(network)
    assert difference(run(inserted), before) < 1e-5
    assert float(before.std()) > 1e-3
    keys, new = set(network.state_dict()), set(inserted.state_dict())
    _, first, count = NETWORKS[network.case]
    assert next(iter(sge_blocks(inserted))) == first
    assert new - keys == {
        f"{name}.sge.{kind}" for name in sge_blocks(inserted) for kind in ("weight", "bias")
    }
    assert keys <= new
    assert len(sge_blocks(inserted)) == count
    assert not any(isinstance(module, GainedSGE) for module in inserted.modules())


def test_gates_act_and_copies_compute_the_same(pair):
    network, inserted = pair
    network_acting = acting(copy.deepcopy(inserted))
    after = run(network_acting)
    assert difference(after, run(network)) > 1e-3
    with MaskCapture(network_acting) as seen:
        run(network_acting)
    assert list(seen.masks) == list(sge_blocks(inserted))
    assert all(mask.std() > 0 for mask in seen.masks.values())
    for make in (copy.deepcopy, COPIES["pickle"]):
        assert torch.equal(run(make(network_acting)), after)


def test_a_second_insertion_is_refused_and_changes_nothing(pair):
    _, inserted = pair
    before = copy.deepcopy(inserted.state_dict())
    with pytest.raises(UnsupportedNetworkError, match="no block that SGE can be put into"):
        insert_sge(inserted)
    with pytest.raises(UnsupportedNetworkError, match="has SGE already"):
        insert_sge(inserted, where=[next(iter(sge_blocks(inserted)))])
    assert all(torch.equal(before[key], value) for key, value in inserted.state_dict().items())


def test_groups_that_do_not_divide_are_refused_before_anything_changes(pair):
    network, _ = pair
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(GroupsError, match="7 groups do not divide"):
        insert_sge(network, groups=7, exact_groups=True)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not sge_blocks(network)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3", "efficientnet_v2", "convnext", "densenet"])
def test_a_network_with_sge_can_be_scripted(name):
    network = acting(insert_sge(fill(NETWORKS[name][0]()), groups=8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit.script is deprecated, and still used.
        scripted = torch.jit.script(network)
    assert difference(run(scripted), run(network)) < 1e-5


@pytest.mark.parametrize("name", ["mobilenet_v3", "convnext", "densenet"])
def test_training_works_as_before(name):
    torch.manual_seed(0)
    network = acting(insert_sge(fill(NETWORKS[name][0]()), groups=8)).train()
    network(image()).square().mean().backward()
    gates = sge_blocks(network).values()
    assert all(float(gate.weight.grad.abs().sum()) > 0 for gate in gates)


def test_a_memory_efficient_densenet_takes_one_map_or_several():
    torch.manual_seed(0)
    network = models.DenseNet(8, (2, 3), 16, num_classes=10, memory_efficient=True)
    plain = copy.deepcopy(network)
    insert_sge(network)
    x = image()
    network.train()(x).sum().backward()
    plain.train()(x).sum().backward()
    for key, parameter in plain.named_parameters():
        found = dict(network.named_parameters())[key].grad
        scale = parameter.grad.abs().max()
        if not key.endswith("conv2.weight"):  # This one is divided, and so its gradient is multiplied.
            assert float((found - parameter.grad).abs().max()) <= 1e-3 * float(scale) + 1e-5, key
    layer = network.features.denseblock1.denselayer1.eval()
    features = torch.randn(1, 16, 8, 8)
    assert torch.equal(layer(features), layer([features]))


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet", "densenet"])
def test_a_weight_that_is_computed_from_others_is_not_divided(name):
    network = fill(NETWORKS[name][0]())
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d):
            parametrizations.weight_norm(module)
    before = run(network)
    assert difference(run(insert_sge(network, groups=8)), before) < 1e-5


def test_a_subclass_with_a_forward_of_its_own_gets_none():
    class Other(models.mobilenetv2.InvertedResidual):
        def forward(self, x: Tensor) -> Tensor:
            return x

    with pytest.raises(UnsupportedNetworkError, match="no block that SGE can be put into"):
        insert_sge(nn.Sequential(Other(8, 8, 1, 4)))


def test_a_block_that_does_not_expand_can_be_named():
    network = fill(models.mobilenet_v2(width_mult=0.25))
    before = run(network)
    insert_sge(network, groups=8, where=["features.1", "features.5"])
    assert list(sge_blocks(network)) == ["features.1", "features.5"]
    assert difference(run(network), before) < 1e-5


def test_hooks_and_references_stay():
    network = fill(NETWORKS["convnext"][0]())
    block, calls = network.features[1][0], []
    block.register_forward_hook(lambda *_: calls.append(1))
    insert_sge(network)
    assert network.features[1][0] is block
    assert isinstance(block, convnext.CNBlock)
    run(network)
    assert calls == [1]


def test_a_state_dict_goes_into_a_network_with_sge_at_the_same_sites():
    network = acting(insert_sge(fill(NETWORKS["densenet"][0]()), groups=8))
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    buffer.seek(0)
    other = insert_sge(NETWORKS["densenet"][0](), groups=8).eval()
    other.load_state_dict(torch.load(buffer))
    assert torch.equal(run(other), run(network))
    assert pickle.loads(pickle.dumps(network)).features.denseblock2.denselayer3.sge.groups == 8
