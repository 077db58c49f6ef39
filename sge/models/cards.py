"""Reads the records of cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sge.errors import ChoiceError
from sge.models.card import CARD_VERSION, Card
from sge.models.cards_version1 import translate_card
from sge.models.none_fits import NoneFits
from sge.models.wording import first_few, shown
from sge.text import printable


def card_fields(record: object) -> dict[str, Any]:
    """Returns the fields of ``Card`` that a record holds.

    Args:
        record: The content of a ``.card.json`` file or of the metadata entry ``sge.card``. A record without
            ``version`` has version 1.

    Raises:
        ChoiceError: The record is no mapping, has a version or fields that are not known here, or a threshold that
            cannot be used.
    """
    if not isinstance(record, Mapping):
        raise ChoiceError("A card is no record of texts. Correct the card.")
    values = {str(key): value for key, value in record.items()}
    version = values.pop("version", 1)
    if version not in (1, CARD_VERSION) or isinstance(version, bool):
        raise ChoiceError(
            f"A card has version {shown(str(version))}; known are 1 and {CARD_VERSION}. Install a newer SGE Lens."
        )
    try:
        values = translate_card(values) if version == 1 else values
    except RecursionError as error:
        raise ChoiceError("A card is nested too deeply. Correct the card.") from error
    if unknown := [key for key in values if key not in _FIELDS and key != "base"]:
        raise ChoiceError(
            f"A card has unknown entries ({first_few(unknown)}). Install a newer SGE Lens, or correct it."
        )
    if missing := [key for key in ("title", "sentence") if key not in values]:
        raise ChoiceError(f"A card has no {missing[0]}. Correct the card.")
    if isinstance(values.get("notes"), list):
        values["notes"] = tuple(values["notes"])  # JSON has no tuples
    if values.get("none_fits") is not None:
        values["none_fits"] = _none_fits(values["none_fits"])
    return values


_FIELDS = {field.name for field in fields(Card)}


def _none_fits(record: object) -> NoneFits:
    names = {field.name for field in fields(NoneFits)}
    if not isinstance(record, Mapping) or not {"score", "threshold", "sentence"} <= set(record) <= names:
        raise ChoiceError(
            "A card's none_fits is no record of score, threshold, sentence, measured and weights. Correct the card."
        )
    try:
        return NoneFits.from_record(record)
    except ChoiceError:
        raise
    except TypeError as error:
        raise ChoiceError("A card's none_fits has a value of another type. Correct the card.") from error
    except ValueError as error:  # our own sentence
        raise ChoiceError(f"A card's {printable(str(error))[:300]}. Correct the card.") from error


def read_card(record: object, **more: Any) -> Card:
    """Builds a card from its record.

    Args:
        record: See ``card_fields``.
        more: Fields that the record cannot hold, such as the file's ``sha256``.

    Raises:
        ChoiceError: The record is no card, has an unknown version, or a field that cannot be used.
    """
    return Card(**{**card_fields(record), **more})
