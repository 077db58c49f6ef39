"""ResNets with the other kinds of attention: counted as in the paper's tables (FACTS.md, section 2), and trainable."""

from __future__ import annotations

import pickle

import pytest
import torch
from fvcore.nn import FlopCountAnalysis

import sge.nn
from sge.errors import UnsupportedNetworkError
from sge.nn.resnet import ATTENTIONS, NEIGHBOURS, SGE_RESNETS, build_resnet

TABLE = {
    (50, "none"): (25.557032, 4.122),
    (50, "se"): (28.088024, 4.130),
    (50, "sk"): (26.15, 4.185),
    (50, "bam"): (25.92, 4.205),
    (50, "cbam"): (28.09, 4.139),
    (50, "sge"): (25.559080, 4.127),
    (101, "none"): (44.549160, 7.849),
    (101, "se"): (49.326872, 7.863),
    (101, "sk"): (45.68, 7.978),
    (101, "bam"): (44.91, 7.933),
    (101, "cbam"): (49.33, 7.879),
    (101, "sge"): (44.553384, 7.858),
}
"""Millions of parameters, and thousands of millions of multiplications at 224 px by the authors' counter."""
SMALL = [(18, each) for each in ATTENTIONS if each != "sk"] + [(50, "sk")]


def parameters(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("depth", "attention", "says"), [(19, "sge", "18, 34"), (50, "magic", "none, se"), (18, "sk", "50")]
)
def test_what_there_is_not(depth, attention, says):
    with pytest.raises(UnsupportedNetworkError, match=says):
        build_resnet(depth, attention)


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "attention"), TABLE, ids=str)
def test_parameters_and_multiplications_are_the_tables(depth, attention):
    millions, giga = TABLE[depth, attention]
    network = build_resnet(depth, attention).eval()
    counted = parameters(network) / 1e6
    exact = len(str(millions).split(".")[1]) > 2
    assert counted == millions if exact else round(counted, 2) == millions
    count = FlopCountAnalysis(network, torch.zeros(1, 3, 224, 224))
    count.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    assert count.total() / 1e9 == pytest.approx(giga, rel=0.015)


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "attention"), SMALL, ids=str)
@pytest.mark.parametrize("amp", [False, True], ids=["float32", "bfloat16"])
def test_every_parameter_learns(depth, attention, amp):
    torch.manual_seed(0)
    network = build_resnet(depth, attention, num_classes=4).to(memory_format=torch.channels_last)
    images = torch.randn(3, 3, 71, 53).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=amp):
        logits = network(images)
    logits.float().square().sum().backward()
    assert logits.shape == (3, 4)
    lost = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert lost == []


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "attention"), SMALL, ids=str)
def test_a_whole_network_is_pickled(depth, attention):
    """Spawned processes and torch.save(network) need it."""
    network = build_resnet(depth, attention, num_classes=3).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(pickle.loads(pickle.dumps(network))(x), network(x))


def test_names():
    assert sge.nn.ATTENTIONS is ATTENTIONS
    assert "sk_resnet18" not in NEIGHBOURS
    assert {"resnet50", "se_resnet101", "bam_resnet18", "gc_resnet34", "sk_resnet152"} <= NEIGHBOURS.keys()
    assert set(SGE_RESNETS) >= {"sge_resnet18", "sge_resnext50_32x4d"}
    assert len(SGE_RESNETS["sge_resnet18"](groups=32).state_dict()["layer1.0.sge.weight"][0]) == 32
