"""Records of cards of version 1 are read with their keys translated."""

from __future__ import annotations

import json

from sge.models.cards import card_fields, read_card
from sge.training.config import TrainConfig
from sge.training.gate_tuning_config import GateTuningConfig
from tests.models.test_cards import CARD


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
        fields = card_fields({"title": "A", "sentence": "B", "made_from": {"recipe": dict.fromkeys(keys)}})
        assert set(fields["made_from"]["config"]) <= set(config.to_dict())
