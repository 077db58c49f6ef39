"""Shipped files that hold all of a model's weights."""

from __future__ import annotations

import json

import pytest
import torch

from sge.errors import CheckpointError, ChoiceError
from sge.files import sha256_of
from sge.images.framing import Preprocess
from sge.models import registry
from sge.models.checkpoint import write_weights
from sge.models.importing import import_weights
from sge.models.registry import find_entry, load_model, model_names, pretrained_model, verify_model
from sge.nn.resnet import build_resnet
from tests.conftest import fill

NAME = "sge_resnet18_pair"


@pytest.fixture(scope="module")
def halves():
    state = fill(build_resnet(18, "sge", num_classes=2)).state_dict()
    return {key: value.half() if value.is_floating_point() else value for key, value in state.items()}


@pytest.fixture
def weights(tmp_path, monkeypatch, halves):
    """A folder of shipped weights with one model that holds its own weights; the user has no models."""
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path / "own"))
    folder = tmp_path / "weights"
    monkeypatch.setattr(registry, "shipped", lambda _what: folder)
    file = folder / f"{NAME}.safetensors"
    metadata = {
        "sge.arch": "sge_resnet18",
        "sge.labels": ["cat", "dog"],
        "sge.preprocess": {"size": 128, "resize": 146},
    }
    write_weights(file, halves, metadata)
    write_card(file, title="Two pets", sentence="Knows two pets.")
    return folder


def write_card(file, **facts):
    card = file.with_name(f"{NAME}.card.json")
    card.write_text(json.dumps({"sha256": sha256_of(file), **facts}), "utf-8")


def test_a_file_that_is_gone_changed_or_damaged_is_refused(weights):
    file = weights / f"{NAME}.safetensors"
    whole = file.read_bytes()
    for content, words in (
        (None, "is not there. Install SGE Lens again"),
        (whole[:-1] + bytes([whole[-1] ^ 1]), "is damaged"),
        (whole[:1000], "is cut off"),
    ):
        file.unlink() if content is None else file.write_bytes(content)
        for use in (load_model, verify_model):
            with pytest.raises(CheckpointError, match=words):
                use(NAME)


def test_another_whole_file_under_the_name_is_refused(weights, halves):
    file = weights / f"{NAME}.safetensors"
    write_weights(file, {key: value * 2 for key, value in halves.items()}, {"sge.arch": "sge_resnet18"})
    for use in (load_model, verify_model):
        with pytest.raises(CheckpointError, match=r"not the file that came with SGE Lens .* Install"):
            use(NAME)


def test_a_shipped_file_cannot_be_tuned_by_name_or_replaced(weights, tmp_path):
    with pytest.raises(ChoiceError, match=r"a weights file of its own; .* sge\.tune_gates takes any network"):
        pretrained_model(NAME)
    with pytest.raises(ChoiceError, match="comes with SGE Lens"):
        import_weights(weights / f"{NAME}.safetensors", NAME)


@pytest.mark.slow
def test_a_shipped_file_is_a_model_with_its_card(weights, halves):
    file = weights / f"{NAME}.safetensors"
    entry = find_entry(NAME)
    assert (model_names(), entry.origin, entry.path) == ([NAME], "shipped", file)
    model = load_model(NAME)
    assert (model.name, model.arch, model.labels) == (NAME, "sge_resnet18", ["cat", "dog"])
    assert (model.card.title, model.card.gates, model.card.sha256) == ("Two pets", "trained", sha256_of(file))
    assert model.preprocess == Preprocess(size=128, resize=146)
    weight = model.network.state_dict()["layer1.0.conv1.weight"]
    assert weight.dtype == torch.float32
    assert torch.equal(weight.half(), halves["layer1.0.conv1.weight"])
    verified = verify_model(NAME)
    assert (verified.file, verified.sha256) == (str(file), sha256_of(file))
    assert "card" in verified.against


@pytest.mark.slow
def test_an_import_of_a_shipped_file_has_its_own_name(weights):
    import_weights(weights / f"{NAME}.safetensors", "mine")
    assert (model_names(), find_entry("mine").origin) == (["mine", NAME], "imported")
    assert torch.equal(load_model("mine").network.fc.weight, load_model(NAME).network.fc.weight)
