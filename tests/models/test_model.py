"""What a model and its card say about themselves."""

from __future__ import annotations

import json

import pytest
from torch import nn

from sge.errors import ChoiceError
from sge.images.framing import Preprocess
from sge.models.model import Card, Model
from tests.conftest import fill
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
