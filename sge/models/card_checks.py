"""Checks a card's fields, which may come from anyone's file and are shown on pages, in JSON and on terminals."""

from __future__ import annotations

import json
import math
from typing import Any

from sge.errors import ChoiceError, check_choice
from sge.models.none_fits import NoneFits
from sge.models.wording import quoted
from sge.text import printable

GATES = ("none", "inactive", "tuned", "trained")
"""Kinds of gates on a card: no SGE, every mask constant, tuned after insertion, trained with the network."""
MAX_TEXT = {"title": 200, "sha256": 64}
"""Longest texts in characters, by field; others have ``MAX_OTHER_TEXT``."""
MAX_OTHER_TEXT = 4000
MAX_NOTES = 100
MAX_RECORD = 1_000_000
"""Longest JSON of a card in characters."""


def check_card(card: Any) -> None:
    """Checks the types, lengths and numbers of all fields.

    Args:
        card: A ``Card``, whose module imports this one.

    Raises:
        ChoiceError: A field cannot be used; the sentence names it.
    """
    for name in ("title", "sentence", "data", "licence", "source"):
        _check_text(name, getattr(card, name))
    for name in ("sha256", "opens_service"):
        if getattr(card, name) is not None:
            _check_text(name, getattr(card, name))
    check_choice("gates", _text(card.gates), GATES)
    if not isinstance(card.notes, tuple) or len(card.notes) > MAX_NOTES:
        raise ChoiceError(f"A card's notes are no list of at most {MAX_NOTES} sentences. Correct the card.")
    for note in card.notes:
        _check_text("notes", note)
    if not isinstance(card.accuracy, list) or not all(isinstance(row, dict) for row in card.accuracy):
        raise ChoiceError("A card's accuracy is no list of measurements. Correct the card.")
    for row in card.accuracy:
        for key in ("top1", "top5"):
            if key in row and not _is_fraction(row[key]):
                raise ChoiceError(
                    f"A card's accuracy has a {key} that is no number from 0 to 1. Correct the card."
                )
    for name in ("opens_with", "made_from"):
        if not isinstance(getattr(card, name), dict | None):
            raise ChoiceError(f"A card's {name} is no record. Correct the card.")
    _check_opening(card.opens_with or {})
    if not isinstance(card.none_fits, NoneFits | None):
        raise ChoiceError("A card's none_fits is no threshold. Correct the card.")
    _check_json(card)


def _check_opening(opening: dict[str, Any]) -> None:
    group = opening.get("group", 0)
    if not isinstance(opening.get("block", ""), str) or type(group) is not int or group < 0:
        raise ChoiceError(
            "A card's opens_with does not name a block and the number of a group. Correct the card."
        )


def _check_json(card: Any) -> None:
    values = [card.accuracy, card.opens_with, card.made_from, card.none_fits and vars(card.none_fits)]
    try:
        text = json.dumps(values, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ChoiceError(
            "A card has a value that JSON cannot hold, such as NaN. Correct the card."
        ) from error
    if len(text) > MAX_RECORD:
        raise ChoiceError(f"A card has more than {MAX_RECORD:,} characters. Shorten the card.")


def _text(value: object) -> str:
    return value if isinstance(value, str) else f"no text but {type(value).__name__}"


def _check_text(name: str, value: object) -> None:
    longest = MAX_TEXT.get(name, MAX_OTHER_TEXT)
    if not isinstance(value, str):
        raise ChoiceError(f"A card's {name} is {_text(value)}. Correct the card.")
    if len(value) > longest:
        raise ChoiceError(
            f"A card's {name} has {len(value):,} characters, more than {longest:,}. Shorten the card."
        )
    if printable(value, "\n\t") != value:
        raise ChoiceError(
            f"A card's {name} has characters that cannot be shown: {quoted(value)}. Correct the card."
        )


def _is_fraction(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and 0 <= value <= 1
    )
