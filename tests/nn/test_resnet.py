"""Whole SGE-ResNets against reference arrays, the authors' keys and the table's counts."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from fvcore.nn import FlopCountAnalysis

from sge.nn import SGE_RESNETS, SpatialGroupEnhance
from tests.conftest import fill

INPUTS = {"in224": (224, (1, 3, 224, 224)), "in160x200": (160200, (1, 3, 160, 200))}
GATES = ("layer2.0", "layer3.5", "layer4.2")
# FACTS.md 2: parameters, and GMACs of convolutions and the linear layer at 224 px.
COUNTS = {"sge_resnet50": (25_559_080, 4.0892), "sge_resnet101": (44_553_384, 7.8014)}
BLOCKS = {
    "sge_resnet18": 8,
    "sge_resnet34": 16,
    "sge_resnet50": 16,
    "sge_resnet101": 33,
    "sge_resnet152": 50,
    "sge_resnext50_32x4d": 16,
    "sge_resnext101_32x8d": 33,
}


def relative(ours: torch.Tensor, theirs: np.ndarray) -> float:
    return float(np.abs(ours.detach().numpy() - theirs).max() / np.abs(theirs).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sge_resnet50", "sge_resnet101"])
def test_equals_the_reference_networks(shared, name):
    arrays = np.load(shared / "reference" / "sge_models.npz")
    network = fill(SGE_RESNETS[name]())
    seen: dict[str, torch.Tensor] = {}
    for block in GATES:
        gate = network.get_submodule(f"{block}.sge.gate")
        gate.register_forward_hook(lambda _m, _i, output, block=block: seen.update({block: output}))
    network.avgpool.register_forward_hook(lambda _m, _i, output: seen.update(feat=output.flatten(1)))
    for run, (seed, shape) in INPUTS.items():
        x = np.random.RandomState(seed).standard_normal(shape).astype(np.float32)
        with torch.inference_mode():
            logits = network(torch.from_numpy(x))
        assert relative(logits, arrays[f"{name}.{run}.logits"]) < 1e-4
        assert relative(logits, arrays[f"{name}.{run}.logits64"]) < 1e-4
        assert relative(seen["feat"], arrays[f"{name}.{run}.feat"].reshape(seen["feat"].shape)) < 1e-4
        for block in GATES:
            theirs = arrays[f"{name}.{run}.gate.{block}"]
            assert relative(seen[block], theirs.reshape(seen[block].shape)) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("depth", [50, 101])
def test_keys_and_shapes_are_the_authors(shared, depth):
    theirs = json.loads((shared / "reference" / f"sge_resnet{depth}_keys.json").read_text())
    ours = {k: list(t.shape) for k, t in SGE_RESNETS[f"sge_resnet{depth}"]().state_dict().items()}
    assert ours == theirs


@pytest.mark.slow
@pytest.mark.parametrize("name", list(COUNTS))
def test_parameters_and_macs_are_those_of_the_table(name):
    """fvcore counts multiply-accumulates; of its operators only convolutions and linear layers are summed."""
    network = SGE_RESNETS[name]().eval()
    parameters, gmacs = COUNTS[name]
    assert sum(p.numel() for p in network.parameters()) == parameters
    counter = FlopCountAnalysis(network, torch.zeros(1, 3, 224, 224))
    by_operator = counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False).by_operator()
    assert round((by_operator["conv"] + by_operator["linear"]) / 1e9, 4) == gmacs


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SGE_RESNETS))
def test_every_block_carries_one_module(name):
    network = SGE_RESNETS[name](num_classes=7)
    paths = [path for path, m in network.named_modules() if isinstance(m, SpatialGroupEnhance)]
    assert len(paths) == BLOCKS[name]
    assert all(path.startswith("layer") and path.endswith(".sge") for path in paths)
    assert network.fc.out_features == 7


def test_another_number_of_groups():
    network = SGE_RESNETS["sge_resnet18"](groups=32)
    assert {m.groups for m in network.modules() if isinstance(m, SpatialGroupEnhance)} == {32}
