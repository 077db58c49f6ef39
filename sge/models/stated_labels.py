"""Class names that a checkpoint holds beside its weights, under the names that trainers give them."""

from __future__ import annotations

_KEYS = (
    "labels",
    "classes",
    "class_names",
    "CLASSES",
    "names",
    "categories",
    "id2label",
    "idx_to_class",
    "class_to_idx",
)
_INSIDE = ("", "meta", "dataset_meta", "meta.dataset_meta", "hyper_parameters", "args", "config")
_MAX = 100_000


def labels_in(root: object) -> dict[str, list[str]]:
    """Finds lists of class names in a checkpoint.

    Args:
        root: What the file holds.

    Returns:
        Where each is, such as ``meta.CLASSES``, to the names by class number. Whether one fits the network is not checked.
    """
    found: dict[str, list[str]] = {}
    if isinstance(root, dict):
        for path in _INSIDE:
            holder: object = root
            for key in path.split(".") if path else ():
                holder = holder.get(key) if isinstance(holder, dict) else None
            if isinstance(holder, dict):
                for key in _KEYS:
                    if labels := as_labels(holder.get(key)):
                        found[f"{path}.{key}" if path else key] = labels
    return found


def as_labels(value: object) -> list[str] | None:
    """Returns class names by number from a list, from number to name, or from name to number; None if it is neither."""
    if isinstance(value, list | tuple) and 0 < len(value) <= _MAX and all(isinstance(v, str) for v in value):
        return list(value)
    if not isinstance(value, dict) or not 0 < len(value) <= _MAX:
        return None
    pairs = list(value.items())
    if all(isinstance(k, str) and type(v) is int for k, v in pairs):
        numbered = {v: k for k, v in pairs}
    elif all(isinstance(v, str) and _is_number(k) for k, v in pairs):
        numbered = {int(k): v for k, v in pairs}
    else:
        return None
    return [numbered[i] for i in range(len(pairs))] if set(numbered) == set(range(len(pairs))) else None


def _is_number(key: object) -> bool:
    return type(key) is int or (isinstance(key, str) and key.isascii() and key.isdigit() and len(key) < 9)
