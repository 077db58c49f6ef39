from __future__ import annotations

import pytest
import torch
import torchvision

from sge.errors import CheckpointError, ChoiceError, UnknownModelError
from sge.models.checkpoint import write_weights
from sge.models.registry import shipped_entries
from sge.nn.blocks import sge_blocks
from sge.training.config import TrainConfig
from sge.training.initial_model import from_scratch, from_weights


@pytest.fixture
def plain_file(tmp_path):
    torch.manual_seed(0)
    network = torchvision.models.resnet18(num_classes=7)
    torch.save(network.state_dict(), tmp_path / "plain.pth")
    return tmp_path / "plain.pth", network.eval()


def test_an_unknown_name():
    with pytest.raises(UnknownModelError, match="neither a model's name"):
        from_weights("nobody", TrainConfig(), 3)


@pytest.mark.slow
def test_another_depth(plain_file):
    with pytest.raises(CheckpointError, match="--depth"):
        from_weights(str(plain_file[0]), TrainConfig(depth=50), 3)


@pytest.mark.slow
def test_other_attention_is_not_inserted_into_trained_weights(plain_file):
    with pytest.raises(ChoiceError, match="cbam cannot be inserted"):
        from_weights(str(plain_file[0]), TrainConfig(attention="cbam"), 3)
    assert not sge_blocks(from_weights(str(plain_file[0]), TrainConfig(attention="none"), 3).network)


def test_a_file_that_is_no_resnet(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"fc.weight is missing"):
        from_weights(str(tmp_path / "a.pth"), TrainConfig(), 3)


@pytest.mark.slow
def test_a_torchvision_checkpoint_gets_inactive_gates_and_keeps_its_logits(plain_file):
    path, network = plain_file
    student = from_weights(str(path), TrainConfig(), 7).network.eval()
    assert len(sge_blocks(student)) == 8
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(student(x), network(x), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_another_number_of_classes_gets_a_new_classifier(plain_file):
    student = from_weights(str(plain_file[0]), TrainConfig(), 3).network
    assert student(torch.randn(2, 3, 64, 64)).shape == (2, 3)


def test_a_model_of_the_registry():
    start = from_weights("sge_efficientnet_lite0", TrainConfig(gate_weight=0.2, eval_size=64), 4)
    student = start.network
    assert start.arch == "sge_efficientnet_lite0"
    assert (start.preprocess.std, start.preprocess.size, start.preprocess.whole) == (
        (128 / 255,) * 3,
        64,
        None,
    )
    assert student(torch.randn(2, 3, 64, 64)).shape == (2, 4)
    assert all(
        float(module.weight.detach().mean()) == pytest.approx(0.2) for module in sge_blocks(student).values()
    )


@pytest.mark.slow
def test_the_origin_of_the_weights(plain_file):
    assert from_scratch(TrainConfig(), 3).origin == {}
    origin = from_weights(str(plain_file[0]), TrainConfig(), 3).origin
    assert origin["name"] == "plain.pth"
    assert origin["digest"] != from_weights("sge_efficientnet_lite0", TrainConfig(), 3).origin["digest"]
    tuned = from_weights("sge_efficientnet_lite0_tuned", TrainConfig(), 3).origin
    assert tuned["made_from"] == shipped_entries()["sge_efficientnet_lite0_tuned"].card.made_from


def test_the_seed_decides_the_weights():
    first, second = (from_scratch(TrainConfig(seed=3), 4).network.state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(
        first["conv1.weight"], from_scratch(TrainConfig(seed=4), 4).network.state_dict()["conv1.weight"]
    )


def test_blocks_start_as_identities():
    network = from_scratch(TrainConfig(depth=50, gate_weight=0.3), 4).network
    assert not bool(network.layer2[1].bn3.weight.any())
    assert float(network.layer2[1].sge.weight.detach().mean()) == pytest.approx(0.3)
    assert bool(from_scratch(TrainConfig(zero_init=False), 4).network.layer2[1].bn2.weight.any())


@pytest.mark.slow
def test_a_network_of_ours_keeps_its_own_attention(tmp_path):
    """SGE beside CBAM would be a network without an architecture name."""
    started = from_scratch(TrainConfig(attention="cbam"), 3)
    write_weights(tmp_path / "cbam.safetensors", started.network.state_dict(), {"sge.arch": started.arch})
    again = from_weights(str(tmp_path / "cbam.safetensors"), TrainConfig(), 3)
    assert again.arch == "cbam_resnet18"
    assert not sge_blocks(again.network)
    assert again.network.state_dict().keys() == started.network.state_dict().keys()
