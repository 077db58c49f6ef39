"""Cards are checked as a whole, wherever they come from: what passes can be shown, and written as JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sge.errors import ChoiceError
from sge.models.cards import read_card
from sge.models.model import Card

RECORD = {"version": 2, "title": "Mine", "sentence": "Knows four dogs."}


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"title": ["a", "list"]}, "title"),
        ({"title": None}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "a\x1b]0;b"}, "title"),
        ({"title": "\ud800"}, "title"),
        ({"sentence": 3}, "sentence"),
        ({"sentence": "x" * 1_000_000}, "sentence"),
        ({"sentence": "a\u202eb"}, "sentence"),
        ({"data": {}}, "data"),
        ({"licence": True}, "licence"),
        ({"source": []}, "source"),
        ({"sha256": 12}, "sha256"),
        ({"sha256": "x" * 65}, "sha256"),
        ({"gates": "open"}, "gates"),
        ({"gates": ["tuned"]}, "gates"),
        ({"accuracy": "0.9"}, "accuracy"),
        ({"accuracy": [0.9]}, "accuracy"),
        ({"accuracy": [{"top1": "high"}]}, "top1"),
        ({"accuracy": [{"top1": 76.5}]}, "top1"),
        ({"accuracy": [{"top5": float("nan")}]}, "top5"),
        ({"accuracy": [{"top1": True}]}, "top1"),
        ({"accuracy": [{"loss": float("inf")}]}, "JSON"),
        ({"opens_with": "layer1"}, "opens_with"),
        ({"opens_with": {"block": 3}}, "opens_with"),
        ({"opens_with": {"block": "layer1.0", "group": -1}}, "opens_with"),
        ({"opens_with": {"block": "layer1.0", "group": 1.5}}, "opens_with"),
        ({"opens_service": 1}, "opens_service"),
        ({"made_from": []}, "made_from"),
        ({"made_from": {"lr": float("nan")}}, "JSON"),
        ({"made_from": {"text": "x" * 1_100_000}}, "characters"),
        ({"notes": "one"}, "notes"),
        ({"notes": [1]}, "notes"),
        ({"notes": ["x"] * 101}, "notes"),
        ({"notes": {"a": 1}}, "notes"),
        ({"none_fits": 3}, "none_fits"),
        ({"version": [2]}, "version"),
        ({"version": True}, "version"),
        ({"version": 2.5}, "version"),
        ({"x\ny": 1}, "unknown entries"),
    ],
)
def test_a_card_that_cannot_be_used_is_refused_with_the_field(change, names):
    with pytest.raises(ChoiceError, match=names) as error:
        read_card(RECORD | change)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("record", [None, [], "x", 3, {}, {"title": "x"}, {"sentence": "x"}])
def test_what_is_no_card(record):
    with pytest.raises(ChoiceError, match="card"):
        read_card(record)


def test_a_card_of_version_1_that_is_nested_without_end():
    value: object = 1
    for _ in range(900):
        value = {"made_from": [value]}
    with pytest.raises(ChoiceError, match=r"nested|JSON"):
        read_card({"title": "a", "sentence": "b", "made_from": {"a": value}})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "title",
    "sentence",
    "gates",
    "data",
    "accuracy",
    "licence",
    "source",
    "sha256",
    "opens_with",
    "opens_service",
]
FIELDS += ["none_fits", "made_from", "notes", "version"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
@settings(max_examples=60, deadline=None)
def test_any_record_is_refused_with_a_sentence_or_can_be_shown(change):
    try:
        card = read_card(RECORD | change)
    except ChoiceError as error:
        said = str(error)
        assert said.endswith((".", "trained", "negative_entropy"))
        return
    text = json.dumps(card.to_dict(), allow_nan=False)
    assert read_card(json.loads(json.dumps(card.to_record()))) == read_card(card.to_record())
    assert isinstance(card, Card)
    assert all(isinstance(value, str) for value in (card.title, card.sentence, card.data, *card.notes))
    text.encode()
