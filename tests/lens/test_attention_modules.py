"""Other attention modules in the lens: CBAM and BAM have one map a block, the others none."""

from __future__ import annotations

import pytest
import torch

from sge.errors import CaptureError, CheckpointError
from sge.lens.lens import Lens
from sge.models.architectures import ARCHITECTURES
from sge.models.checkpoint import write_weights
from sge.models.registry import load_model
from sge.nn.mask_capture import MaskCapture
from sge.nn.resnet import build_resnet
from tests.conftest import fill
from tests.drawn_images import encoded, noise


@pytest.fixture(scope="module")
def file_of(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")

    def write(attention, stated=True):
        network = fill(build_resnet(18 if attention != "sk" else 50, attention, num_classes=3))
        arch = f"{'' if attention == 'none' else attention + '_'}resnet{50 if attention == 'sk' else 18}"
        path = folder / f"{arch}_{stated}.safetensors"
        write_weights(path, network.state_dict(), {"sge.arch": arch} if stated else {})
        return path, arch, network

    return write


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["none", "se", "gc", "sk"])
def test_networks_without_maps_load_but_cannot_be_analyzed(file_of, attention):
    path, arch, network = file_of(attention)
    model = load_model(path)
    assert model.arch == arch
    assert not model.inactive
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model.network(x), network(x))
    with pytest.raises(CaptureError, match="SE and GC have no spatial masks"):
        Lens(model)


@pytest.mark.slow
def test_a_plain_resnet_without_metadata_is_refused(file_of):
    with pytest.raises(CheckpointError, match=r"sge\.insert_sge"):
        load_model(file_of("none", stated=False)[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attention", "blocks"),
    [
        ("cbam", [f"layer{s}.{b}" for s in range(1, 5) for b in range(2)]),
        ("bam", ["bam1", "bam2", "bam3"]),
    ],
)
def test_one_map_a_block(file_of, tmp_path, attention, blocks):
    path, arch, _ = file_of(attention)
    model = load_model(path)
    assert model.card.gates == "none"
    analysis = Lens(model).analyze(encoded(noise(80, 64)), top_k=2)
    assert model.arch == arch
    assert [block.name for block in analysis.blocks] == blocks
    assert {(block.groups, block.inactive) for block in analysis.blocks} == {(1, 0)}
    assert all(0 <= maps.min() < maps.max() <= 1 for maps in analysis.masks.values())
    for maps in analysis.similarity.values():
        assert maps.mean() == pytest.approx(0, abs=1e-3)
        assert maps.std(ddof=1) == pytest.approx(1, abs=1e-2)
    assert analysis.overlay(blocks[-1], group=0).size == (80, 64)
    for form in ("html", "npz", "json", "png", "safetensors"):
        analysis.save(tmp_path / f"record.{form}")
        assert (tmp_path / f"record.{form}").stat().st_size


@pytest.mark.slow
def test_the_features_are_multiplied_by_the_mask_of_cbam():
    network = fill(build_resnet(18, "cbam", num_classes=3))
    module = network.layer2[1].cbam
    inside = {}
    module.register_forward_hook(lambda _m, x, out: inside.update(x=x[0], out=out.clone()))
    with torch.no_grad(), MaskCapture(network) as seen:
        network(torch.randn(1, 3, 64, 64))
    pooled = inside["x"].mean((2, 3), keepdim=True), inside["x"].amax((2, 3), keepdim=True)
    with torch.no_grad():
        channels = torch.sigmoid(sum(module.expand(torch.relu(module.reduce(each))) for each in pooled))
    wanted = inside["x"] * channels * seen.masks["layer2.1"]
    assert torch.allclose(inside["out"], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["cbam", "bam"])
def test_a_network_in_training_shows_its_maps(attention):
    network = fill(build_resnet(18, attention, num_classes=3)).train()
    with MaskCapture(network) as seen:
        network(torch.randn(2, 3, 64, 64)).sum().backward()
    assert all(not each.requires_grad for each in (seen.masks | seen.similarity).values())
    assert len(seen.masks) == (8 if attention == "cbam" else 3)


@pytest.mark.slow
def test_a_constant_map_has_similarity_0():
    network = fill(build_resnet(18, "bam", num_classes=3))
    with torch.no_grad():
        network.bam2.spatial[-1].weight.zero_()
        network.bam2.spatial[-1].bias.fill_(100.3)  # The mean of this number in float32 has a rounding error.
        with MaskCapture(network, "bam2") as seen:
            network(torch.randn(1, 3, 64, 64))
    assert float(seen.similarity["bam2"].abs().max()) == 0
    assert float(seen.masks["bam2"].std()) < 1e-6


def test_every_attention_module_has_an_architecture():
    assert {"resnet50", "se_resnet50", "cbam_resnet50", "bam_resnet50", "sk_resnet50", "gc_resnet50"} <= set(
        ARCHITECTURES
    )
