"""Translates cards of version 1 to version 2."""

from __future__ import annotations

from typing import Any

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


def translate_card(fields: dict[str, Any]) -> dict[str, Any]:
    """Returns the fields of a card of version 1 with the names and kinds of gates of version 2; sentences stay."""
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
