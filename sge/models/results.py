"""Names of what a network returns: ``logits``, or the tensors of any other output."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from sge.models.exported_model import LOGITS, RESULT

MAX_RESULTS = 64
"""Largest number of tensors that are named; of an output with more nothing is taken."""
_MAX_DEPTH = 8


def named_results(output: Any, classes: int | None) -> dict[str, Tensor]:
    """The tensors of an output by the names that they have in an exported file.

    ``logits`` is the only floating tensor (rows, classes) of as many classes as there are labels, or what the output itself
    calls ``logits``. Every other floating tensor is named ``output`` if there is one, else ``output/`` and its place: the
    key or field of a mapping or object, the number in a tuple or list, one after the other where these hold each other.

    Args:
        output: Of the network's forward pass.
        classes: Number of labels; None without labels, where nothing but the name tells logits.
    """
    leaves: dict[tuple[str, ...], Tensor] = {}
    for place, tensor in islice(_leaves(output, (), 0), MAX_RESULTS + 1):
        while place in leaves:  # Two keys that are the same after what no name may have was replaced.
            place = (*place[:-1], f"{place[-1]}_")
        leaves[place] = tensor
    if len(leaves) > MAX_RESULTS:
        return {}
    flat = {place: one for place, one in leaves.items() if one.dim() == 2}
    logits: list[tuple[str, ...]] = [place for place in flat if place == (LOGITS,)]
    if not logits and classes is not None:
        logits = [place for place, one in flat.items() if one.shape[1] == classes]
    if classes is not None and not logits and list(leaves) == [()] and flat:
        logits = [()]  # The caller says that labels and classes differ in number.
    named: dict[str, Tensor] = {}
    if len(logits) == 1:
        named[LOGITS] = leaves.pop(logits[0])
    for place, tensor in leaves.items():
        named[RESULT if len(leaves) == 1 else "/".join((RESULT, *place))] = tensor
    return named


def _leaves(value: Any, place: tuple[str, ...], depth: int) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    if isinstance(value, Tensor):
        if value.is_floating_point() and not value.is_sparse and value.layout == torch.strided:
            yield place, value
        return
    if depth == _MAX_DEPTH:
        return
    for key, one in _members(value):
        yield from _leaves(one, (*place, key), depth + 1)


def _members(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [(_word(key), one) for key, one in value.items()]
    if isinstance(value, tuple) and (names := getattr(value, "_fields", None)):
        return [(_word(name), one) for name, one in zip(names, value, strict=True)]
    if isinstance(value, list | tuple):
        return [(str(at), one) for at, one in enumerate(value)]
    if is_dataclass(value) and not isinstance(value, type):
        return [(_word(field.name), getattr(value, field.name)) for field in fields(value)]
    return []


def _word(key: object) -> str:
    return re.sub(r"[^\w.-]", "_", str(key))[:80] or "_"
