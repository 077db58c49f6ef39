"""Models from weights files: the authors' checkpoints, other architectures, and metadata."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from sge.errors import CheckpointError, UnknownModelError
from sge.images.framing import Preprocess
from sge.models.checkpoint import write_weights
from sge.models.efficientnet_lite import LITE0_PREPROCESS
from sge.models.importing import import_weights
from sge.models.labels import imagenet_labels
from sge.models.model import Card
from sge.models.registry import load_model, verify_model
from sge.nn.insertion.insert import insert_sge
from sge.nn.resnet import SGE_RESNETS
from tests.conftest import fill
from tests.weights import authors_checkpoint, logits_of, save


@pytest.fixture(scope="module")
def resnet50() -> torch.nn.Module:
    return fill(SGE_RESNETS["sge_resnet50"]())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zipped", "acc"),
    [(False, np.float64(77.584)), (True, torch.tensor(77.584))],
    ids=["legacy_numpy", "zip_tensor"],
)
def test_the_authors_checkpoint(tmp_path, resnet50, zipped, acc):
    path = authors_checkpoint(tmp_path / "sge_resnet50.pth.tar", resnet50, zipped, acc)
    expected = logits_of(resnet50)
    for model in (load_model("sge_resnet50", weights=path), load_model(path), load_model(str(path))):
        assert (model.name, model.arch) == ("sge_resnet50", "sge_resnet50")
        assert not model.network.training
        assert torch.equal(logits_of(model.network), expected)
        assert model.labels == imagenet_labels()
        assert model.preprocess == Preprocess()
        assert model.card.title == "SGE-ResNet-50"
        assert model.card.gates == "trained"
        assert not model.inactive
    imported = import_weights(path)
    assert imported.name == "sge_resnet50.safetensors"
    assert imported.stat().st_size < path.stat().st_size / 1.9  # the momentum stays behind
    again = load_model("sge_resnet50")
    assert torch.equal(logits_of(again.network), expected)
    assert path.name in again.card.source
    assert verify_model("sge_resnet50").name == "sge_resnet50"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sge_resnet34", "sge_resnext50_32x4d"])
def test_other_architectures_from_a_path_alone(tmp_path, name):
    network = fill(SGE_RESNETS[name](num_classes=6, groups=32))
    path = save(tmp_path / "run7.best.pth", {"state_dict": network.state_dict()})
    model = load_model(path)
    assert (model.name, model.arch, len(model.labels)) == ("run7", name, 6)
    assert torch.equal(logits_of(model.network), logits_of(network))


def test_the_file_of_another_architecture_is_refused(small_file):
    with pytest.raises(
        CheckpointError, match=r"mine\.pth holds sge_resnet18, not sge_resnet50\. Choose its file"
    ):
        load_model("sge_resnet50", weights=small_file)
    with pytest.raises(UnknownModelError, match=r"No architecture 'resnet51'; there are: sge_resnet18, "):
        load_model("resnet51", weights=small_file)
    with pytest.raises(CheckpointError, match="not cbam_resnet18"):
        load_model("cbam_resnet18", weights=small_file)


@pytest.mark.slow
def test_groups_that_do_not_divide_the_channels(tmp_path, small):
    state = small.state_dict() | {"layer1.0.sge.weight": torch.zeros(1, 60, 1, 1)}
    with pytest.raises(CheckpointError, match="cannot be sge_resnet18: 60 groups do not divide 64"):
        load_model(save(tmp_path / "odd.pth", state))


@pytest.mark.slow
def test_labels_of_a_file_without_metadata(small_file, tmp_path):
    assert load_model(small_file).labels == [f"class {i}" for i in range(4)]
    thousand = save(tmp_path / "t.pth", fill(SGE_RESNETS["sge_resnet18"]()).state_dict())
    labels = load_model(thousand).labels
    assert (len(labels), labels[0], labels[207], labels[999]) == (
        1000,
        "tench",
        "golden retriever",
        "toilet tissue",
    )
    assert "4 classes" in load_model(small_file).card.sentence


@pytest.mark.slow
def test_metadata_of_a_file_are_kept(tmp_path, small):
    card = Card(
        "Mine", "Knows four [dogs].", gates="tuned", data="my dogs", accuracy=[{"top1": 0.9, "set": "mine"}]
    )
    preprocess = replace(LITE0_PREPROCESS, size=128)
    metadata = {
        "sge.arch": "sge_resnet18",
        "sge.labels": list("abcd"),
        "sge.preprocess": {**vars(preprocess)},
        "sge.card": card.to_dict(),
    }
    write_weights(tmp_path / "mine.safetensors", small.state_dict(), metadata)
    for model in (
        load_model(tmp_path / "mine.safetensors"),
        load_model(import_weights(tmp_path / "mine.safetensors")),
    ):
        assert model.labels == list("abcd")
        assert model.preprocess == preprocess
        assert replace(model.card, sha256=None) == card


@pytest.mark.slow
def test_a_plain_safetensors_is_taken_too(tmp_path, small):
    save_file(small.state_dict(), tmp_path / "plain.safetensors")
    model = load_model(tmp_path / "plain.safetensors")
    assert torch.equal(logits_of(model.network), logits_of(small))
    import_weights(tmp_path / "plain.safetensors", "mine")
    assert verify_model("mine")


@pytest.mark.slow
def test_inactive_gates_are_not_called_trained(tmp_path):
    path = save(tmp_path / "i.pth", insert_sge(models.resnet18(num_classes=3)).state_dict())
    model = load_model(path)
    assert model.inactive
    assert model.card.gates == "inactive"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sge.labels": list("abc")}, "does not list a label for each of its 4 classes"),
        ({"sge.labels": "abcd"}, "does not list a label for each"),
        ({"sge.labels": 4}, "does not list a label for each"),
        ({"sge.arch": "sge_resnet50"}, "says that it is sge_resnet50, but holds sge_resnet18"),
        ({"sge.preprocess": {"zoom": 3}}, r"unknown entries \(zoom\)"),
        ({"sge.preprocess": 3}, "no record of mean, std"),
        ({"sge.card": {"title": "x"}}, "card has no sentence"),
        ({"sge.card": []}, "card is no record"),
    ],
)
def test_metadata_that_does_not_belong(tmp_path, small, change, sentence):
    write_weights(tmp_path / "odd.safetensors", small.state_dict(), change)
    with pytest.raises(CheckpointError, match=rf"odd\.safetensors.*{sentence}"):
        load_model(tmp_path / "odd.safetensors")
