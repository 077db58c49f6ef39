"""Reads the records of cards. Records of version 1 are translated here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sge.models.model import CARD_VERSION, Card

_GATES = {"inserted": "inactive", "awake": "tuned"}
_TITLE_SUFFIX = (", awake", ", tuned gates")
_KEYS = {
    "recipe": "config",
    "pictures": "images",
    "agreement_held_back": "agreement_held_out",
    "blocks_with_spread_of_a_tenth": "blocks_with_mask_std_of_a_tenth",
    "top1_flat": "top1_masks_at_their_means",
}
"""Renamed keys of ``made_from`` and ``accuracy``."""
_CONFIG_KEYS = {
    "rate": "lr",
    "gate_rate": "gate_lr_scale",
    "weight_rate": "weight_lr",
    "bias_rate": "bias_lr",
    "norm_rate": "norm_lr",
    "warm_up": "warmup",
    "plain_decay": "decay_all",
    "acting": "acting_blocks",
    "wanted_spread": "target_mask_std",
    "flat_price": "flatness_weight",
    "open_price": "openness_weight",
    "feature_price": "feature_weight",
    "features_price": "feature_weight",
    "dense": "similarity_blocks",
    "dense_price": "similarity_weight",
}
"""Names of a training's numbers in version 1 to those of ``TrainConfig`` and ``GateTuningConfig``."""


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
    return _from_version_1(fields) if version == 1 else fields


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


def _from_version_1(fields: dict[str, Any]) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    if fields.get("gates") in _GATES:
        changed["gates"] = _GATES[fields["gates"]]
    if isinstance(title := fields.get("title"), str) and title.endswith(_TITLE_SUFFIX[0]):
        changed["title"] = title.removesuffix(_TITLE_SUFFIX[0]) + _TITLE_SUFFIX[1]
    if "accuracy" in fields:
        changed["accuracy"] = _renamed(fields["accuracy"])
    if "made_from" in fields:
        changed["made_from"] = _renamed(fields["made_from"])
    return fields | changed


def _renamed(value: Any) -> Any:
    """Renames keys at every depth, because ``made_from`` holds that of the weights a training started from."""
    if isinstance(value, list):
        return [_renamed(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        _KEYS.get(key, key): _renamed_config(entry) if key in ("recipe", "config") else _renamed(entry)
        for key, entry in value.items()
    }


def _renamed_config(config: Any) -> Any:
    if not isinstance(config, dict):
        return config
    return {_CONFIG_KEYS.get(key, key): value for key, value in config.items()}
