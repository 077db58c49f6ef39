"""Records of cards: version 2 as it is, version 1 with its keys translated, and no later one."""

from __future__ import annotations

import json

import pytest

from sge.models.cards import card_fields, read_card
from sge.models.model import Card
from sge.training.config import TrainConfig
from sge.training.gate_tuning_config import GateTuningConfig

CARD = Card(
    "Mine, tuned gates",
    "Knows four dogs.",
    gates="tuned",
    accuracy=[{"images": 3, "top1": 0.9, "set": "mine"}],
    made_from={
        "images": {"count": 3},
        "config": {"lr": 0.1, "steps": 4},
        "start": {"made_from": {"config": {}}},
    },
)


def test_a_record_of_this_version_is_read_as_it_was_written():
    assert read_card(json.loads(json.dumps(CARD.to_record()))) == CARD
    assert read_card(CARD.to_record(), sha256="ab").sha256 == "ab"


def test_a_record_of_version_1_is_translated():
    record = {
        "title": "Mine, awake",
        "sentence": "Knows four dogs.",
        "gates": "awake",
        "accuracy": [{"pictures": 3, "top1": 0.9, "set": "mine"}],
        "made_from": {
            "pictures": {"count": 3},
            "recipe": {"rate": 0.1, "steps": 4},
            "start": {"made_from": {"recipe": {}}},
        },
    }
    before = json.dumps(record)
    assert read_card(record) == CARD
    assert json.dumps(record) == before
    assert read_card({"title": "A", "sentence": "B", "gates": "inserted"}).gates == "inactive"
    assert read_card({"title": "A", "sentence": "B"}).gates == "trained"


def test_every_number_of_an_old_training_has_its_new_name():
    """The numbers of the recipes of version 1, which the shipped models were made with."""
    training = ["rate", "gate_rate", "plain_decay", "warm_up", "flat_price", "wanted_spread", "open_price"]
    training += ["feature_price", "dense", "dense_price", "teacher_weight", "match_after", "positive_gates"]
    tuning = ["weight_rate", "bias_rate", "norm_rate", "warm_up", "wanted_spread", "flat_price", "open_price"]
    tuning += ["features_price", "acting", "sizes"]
    for keys, config in ((training, TrainConfig()), (tuning, GateTuningConfig())):
        fields = card_fields({"made_from": {"recipe": dict.fromkeys(keys)}})
        assert set(fields["made_from"]["config"]) <= set(config.to_dict())


@pytest.mark.parametrize("version", [0, 3, "2", None])
def test_another_version_is_refused(version):
    with pytest.raises(ValueError, match="known are 1 and 2"):
        read_card(CARD.to_record() | {"version": version})


def test_unknown_fields_and_kinds_of_gates_are_refused():
    with pytest.raises(TypeError, match="color"):
        read_card(CARD.to_record() | {"color": "blue"})
    with pytest.raises(ValueError, match="gates is 'open'; choose one of: none, inactive, tuned, trained"):
        read_card(CARD.to_record() | {"gates": "open"})
