"""The threshold of a card: read as it was written, and refused with a reason where it cannot be used."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from sge.errors import ChoiceError
from sge.lens.fit import fit_scores
from sge.models.cards import read_card
from sge.models.model import Card
from sge.models.none_fits import FIT_SCORES, READOUT, NoneFits

THRESHOLD = NoneFits(
    "energy", {"whole": 2.5, "center": 1}, "None of its two breeds fits this image.", {"kept": 0.95}
)
CARD = Card("Mine", "Knows two dogs.", none_fits=THRESHOLD)


def test_a_card_with_a_threshold_is_read_as_it_was_written():
    record = json.loads(json.dumps(CARD.to_record()))
    assert record["version"] == 2
    assert read_card(record) == CARD
    assert CARD.to_dict()["none_fits"] == asdict(THRESHOLD)


def test_weights_are_read_as_they_were_written_and_left_out_where_there_are_none():
    weighted = replace(CARD, none_fits=replace(THRESHOLD, score=READOUT, weights=(1.0, -2.5, 0.0)))
    record = json.loads(json.dumps(weighted.to_record()))
    assert record["none_fits"]["weights"] == [1.0, -2.5, 0.0]
    assert read_card(record) == weighted
    assert "weights" not in CARD.to_record()["none_fits"]


def test_a_card_without_a_threshold_is_read_by_programs_that_know_none():
    assert "none_fits" not in replace(CARD, none_fits=None).to_record()
    assert read_card({"version": 2, "title": "Mine", "sentence": "Knows two dogs."}).none_fits is None
    assert read_card({"title": "Mine", "sentence": "Knows two dogs.", "none_fits": None}).none_fits is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"score": "luck"}, "choose one of: max_probability, max_logit, energy, negative_entropy"),
        ({"score": None}, "choose one of"),
        ({"threshold": 2.5}, "numbers by framing"),
        ({"threshold": {}}, "numbers by framing"),
        ({"threshold": ["whole"]}, "numbers by framing"),
        ({"threshold": {"whole": 2.5, "center": 1, "left": 1}}, "numbers by framing"),
        ({"threshold": {"whole": "2.5", "center": 1}}, "finite numbers"),
        ({"threshold": {"whole": True, "center": 1}}, "finite numbers"),
        ({"threshold": {"whole": float("nan"), "center": 1}}, "finite numbers"),
        ({"weights": [1.0, 2.0]}, "weights where its score is not 'readout'"),
        ({"score": "readout"}, "or none where it is"),
        ({"score": "readout", "weights": "abc"}, "no list of finite numbers"),
        ({"score": "readout", "weights": [1.0, None]}, "no list of finite numbers"),
        ({"score": "readout", "weights": [1.0, float("inf")]}, "no list of finite numbers"),
        ({"score": "readout", "weights": [1e300]}, "no list of finite numbers"),
        ({"score": "readout", "weights": [10**400]}, "no list of finite numbers"),
        ({"threshold": {"whole": 10**400, "center": 1}}, "finite numbers"),
        ({"score": "readout", "weights": [[1.0]]}, "no list of finite numbers"),
        ({"sentence": " "}, "no sentence"),
        ({"sentence": 3}, "no sentence"),
    ],
)
def test_a_threshold_that_cannot_be_used_is_refused(change, reason):
    with pytest.raises((ValueError, ChoiceError), match=reason):
        read_card(CARD.to_record() | {"none_fits": asdict(THRESHOLD) | change})


@pytest.mark.parametrize(
    "none_fits", ["energy", ["energy"], {"score": "energy"}, asdict(THRESHOLD) | {"a": 1}]
)
def test_a_record_of_other_fields_is_refused(none_fits):
    with pytest.raises(ChoiceError, match="none_fits is no record"):
        read_card(CARD.to_record() | {"none_fits": none_fits})


def test_every_score_that_a_card_can_name_is_computed():
    import torch

    assert set(fit_scores(torch.zeros(3))) == set(FIT_SCORES)
