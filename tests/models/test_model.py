"""What a model and its card say about themselves."""

from __future__ import annotations

import json

import pytest
import timm
import torchvision
from torch import nn

import sge
from sge.errors import ChoiceError, UnsupportedNetworkError
from sge.images.framing import Preprocess
from sge.models.model import Card, Model, with_own_input
from sge.nn import insert_sge, only_input
from tests.conftest import fill
from tests.drawn_images import scene
from tests.inactive_networks import inactive_network


def model_of(network: nn.Module) -> Model:
    return Model("mine", network, list("abcde"), Card("Mine", "Knows five."), Preprocess(), "mine")


def test_a_network_is_inactive_if_it_has_gates_and_all_weights_are_0():
    network = inactive_network()
    assert model_of(network).inactive
    assert not model_of(nn.Linear(2, 2)).inactive
    network.second.sge.weight.data[0, 1] = 0.1
    assert not model_of(network).inactive
    assert not model_of(fill(inactive_network())).inactive


def test_a_network_of_your_own_needs_only_a_name_and_labels():
    model = Model("mine", inactive_network(), list("abcde"), preprocess=Preprocess(size=64))
    assert (model.card.title, model.card.gates, model.preprocess.size) == ("mine", "inactive", 64)
    assert model.arch == type(model.network).__name__
    assert Model("mine", fill(inactive_network()), list("abcde")).card.gates == "trained"
    assert Model("mine", nn.Linear(2, 2), list("ab")).card.gates == "none"


def test_parameters_are_counted():
    assert model_of(nn.Linear(3, 4)).parameters == 16


def test_a_card_takes_known_kinds_of_gates_only():
    assert Card("A", "B", gates="none").gates == "none"
    with pytest.raises(ChoiceError, match="gates is 'open'; choose one of: none, inactive, tuned, trained"):
        Card("A", "B", gates="open")


def test_a_record_states_its_version_and_no_hash():
    card = Card("A", "B", sha256="ab" * 32)
    assert card.to_dict()["sha256"] == "ab" * 32
    record = card.to_record()
    assert record["version"] == 2
    assert "sha256" not in record
    json.dumps(record)


def test_a_network_of_one_size_states_it(tmp_path):
    network = insert_sge(
        timm.create_model("test_vit", num_classes=3, dynamic_img_size=False), 4, "patch_embed.proj"
    ).eval()
    model = Model("vit", network, ["a", "b", "c"])
    assert model.preprocess.fixed == (160, 160)
    seen = sge.Lens(model, "cpu").analyze(scene())
    assert seen.geometry.framing == "whole"
    file = sge.export_onnx(model, tmp_path / "vit.onnx")
    assert file.size == (160, 160)
    exported = sge.Lens(file).analyze(scene())
    assert [one.label for one in exported.predictions] == [one.label for one in seen.predictions]
    with pytest.raises(UnsupportedNetworkError, match=r"Preprocess\(fixed="):
        sge.Lens(Model("vit", network, ["a", "b", "c"], preprocess=Preprocess()), "cpu").analyze(scene())
    other = torchvision.models.VisionTransformer(32, 8, 1, 2, 16, 16)
    assert only_input(other) == (32, 32)
    assert with_own_input(Preprocess(), other) == Preprocess(resize=37, size=32, fixed=(32, 32))
    assert only_input(timm.create_model("test_vit")) is None
    assert only_input(timm.create_model("test_resnet")) is None
