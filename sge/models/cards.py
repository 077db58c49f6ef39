"""Reads the records of cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sge.models.cards_version1 import translate_card
from sge.models.model import CARD_VERSION, Card


def card_fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of ``Card`` that a record holds.

    Args:
        record: The content of a ``.card.json`` file or of the metadata entry ``sge.card``. A record without
            ``version`` has version 1.

    Raises:
        ValueError: The record has a version that is not known here.
        TypeError: The record is not a mapping.
    """
    fields = dict(record)
    version = fields.pop("version", 1)
    if version not in (1, CARD_VERSION):
        raise ValueError(f"card version {version}; known are 1 and {CARD_VERSION}")
    return translate_card(fields) if version == 1 else fields


def read_card(record: Mapping[str, Any], **more: Any) -> Card:
    """Builds a card from its record.

    Args:
        record: See ``card_fields``.
        more: Fields that the record cannot hold, such as the file's ``sha256``.

    Raises:
        TypeError: The record has unknown fields or lacks one.
        ValueError: The record has an unknown version, or ``gates`` is not a known kind.
    """
    return Card(**{**card_fields(record), **more})
