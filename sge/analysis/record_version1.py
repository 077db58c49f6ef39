"""Translates analysis records of version 1 to version 2."""

from __future__ import annotations

from typing import Any

from sge.arrays import Array

GATES = {"inserted": "inactive", "awake": "tuned"}


def translate_record(record: dict[str, Any]) -> dict[str, Any]:
    """A record of version 1 with the keys of version 2.

    ``picture`` becomes ``image``, also in ``geometry``; ``contribution`` becomes ``energy``; ``sleeping`` of a block
    becomes ``inactive``; ``mix`` of a part map becomes ``terms``; the kinds of gates are renamed.

    Raises:
        KeyError, TypeError, AttributeError: not such a record.
    """
    model = record["model"]
    return _renamed(record, picture="image", contribution="energy") | {
        "version": 2,
        "model": model | {"gates": GATES.get(model["gates"], model["gates"])},
        "geometry": _renamed(record["geometry"], picture="image"),
        "blocks": [_renamed(block, sleeping="inactive") for block in record["blocks"]],
        "part_maps": {
            part: _renamed(part_map, mix="terms") for part, part_map in record.get("part_maps", {}).items()
        },
    }


def translate_arrays(arrays: dict[str, Array]) -> dict[str, Array]:
    """The arrays of a version-1 file under their names of version 2: ``contribution/`` becomes ``energy/``."""
    old, new = "contribution/", "energy/"
    return {
        new + key.removeprefix(old) if key.startswith(old) else key: values for key, values in arrays.items()
    }


def _renamed(record: dict[str, Any], **names: str) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in record.items()}
