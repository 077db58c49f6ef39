"""Records of cards: this version is read, and unknown ones are refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sge.models.cards import read_card
from sge.models.model import Card

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


def test_notes_are_kept_and_left_out_if_there_are_none():
    noted = replace(CARD, notes=("Labels are assumed.", "Taken from state_dict."))
    assert read_card(json.loads(json.dumps(noted.to_record()))) == noted
    assert "notes" not in CARD.to_record()


@pytest.mark.parametrize("version", [0, 3, "2", None])
def test_another_version_is_refused(version):
    with pytest.raises(ValueError, match="known are 1 and 2"):
        read_card(CARD.to_record() | {"version": version})


def test_unknown_fields_and_kinds_of_gates_are_refused():
    with pytest.raises(ValueError, match="color"):
        read_card(CARD.to_record() | {"color": "blue"})
    with pytest.raises(ValueError, match="gates is 'open'; choose one of: none, inactive, tuned, trained"):
        read_card(CARD.to_record() | {"gates": "open"})
