"""Reads the records of cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sge.models.cards_version1 import translate_card
from sge.models.model import CARD_VERSION, Card
from sge.models.none_fits import NoneFits


def card_fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of ``Card`` that a record holds.

    Args:
        record: The content of a ``.card.json`` file or of the metadata entry ``sge.card``. A record without
            ``version`` has version 1.

    Raises:
        ValueError: The record has a version that is not known here, or a threshold that cannot be used.
        TypeError: The record is not a mapping.
    """
    fields = dict(record)
    version = fields.pop("version", 1)
    if version not in (1, CARD_VERSION):
        raise ValueError(f"card version {version}; known are 1 and {CARD_VERSION}")
    if fields.get("none_fits") is not None:
        fields["none_fits"] = NoneFits.from_record(fields["none_fits"])
    if "notes" in fields:
        fields["notes"] = tuple(fields["notes"])  # JSON has no tuples
    return translate_card(fields) if version == 1 else fields


def read_card(record: Mapping[str, Any], **more: Any) -> Card:
    """Builds a card from its record.

    Args:
        record: See ``card_fields``.
        more: Fields that the record cannot hold, such as the file's ``sha256``.

    Raises:
        TypeError: The record has unknown fields or lacks one.
        ValueError: The record has an unknown version, ``gates`` is not a known kind, or ``none_fits`` has no usable
            threshold.
    """
    return Card(**{**card_fields(record), **more})
