"""Translates part finder files of version 1 to version 2."""

from __future__ import annotations

from typing import Any


def translate_finder(record: dict[str, Any]) -> dict[str, Any]:
    """A finder's record of version 1 with the keys of version 2.

    ``mixes`` becomes ``readouts``, their ``shares`` become ``terms``, ``orders`` becomes ``permutations``, and
    ``pictures`` of a measured figure becomes ``images``.

    Raises:
        KeyError, TypeError, AttributeError: not such a record.
    """
    readouts = {part: _renamed(mix, shares="terms") for part, mix in record["mixes"].items()}
    return _renamed(record, mixes="readouts", orders="permutations") | {
        "version": 2,
        "readouts": readouts,
        "measured": [_renamed(figures, pictures="images") for figures in record["measured"]],
    }


def _renamed(record: dict[str, Any], **names: str) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in record.items()}
