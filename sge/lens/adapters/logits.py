"""Finds the logits in what a network returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

TOLERANCE = 1e-3
"""Largest difference between probabilities and the softmax of the logits that belong to them."""
MAX_LISTED = 4
"""Number of members of an output that a message describes."""


def is_logits(value: object) -> bool:
    """Whether a value is a floating tensor (N, classes) with one class or more, and not a sparse one."""
    if not isinstance(value, Tensor) or value.layout != torch.strided:
        return False
    return value.dim() == 2 and value.shape[1] > 0 and value.is_floating_point()


def named_logits(output: Any) -> Tensor | None:
    """Logits that the output calls so: the key, field or attribute ``logits``; None without them.

    Args:
        output: A dict, a named tuple, a dataclass or another object.
    """
    if isinstance(output, Tensor):
        return None
    value = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    return value if isinstance(value, Tensor) and is_logits(value) else None


def plain_logits(output: Any, classes: int | None) -> Tensor | None:
    """Logits without a name: the output itself, or the only member of a tuple, list or dict that may be logits.

    Of several, those that have as many columns as there are classes, or whose softmax another member is.

    Args:
        output: What the network returned.
        classes: Number of the model's labels; None without labels.
    """
    if isinstance(output, Tensor):
        return output if is_logits(output) else None
    members = list(output.values()) if isinstance(output, Mapping) else output
    if not isinstance(members, list | tuple):
        return None
    found = [one for one in members if is_logits(one)]
    if len(found) > 1 and classes is not None:
        found = [one for one in found if one.shape[1] == classes]
    if len(found) == 2:
        found = [one for one, other in (found, found[::-1]) if _is_softmax(other, one)]
    return found[0] if len(found) == 1 else None


def described(output: Any) -> str:
    """An output in words: a tensor's shape and type, or the kind of an object and what it holds."""
    if isinstance(output, Tensor):
        dtype = "" if output.is_floating_point() else f" of {str(output.dtype).removeprefix('torch.')}"
        sparse = "sparse " if output.layout != torch.strided else ""
        return f"a {sparse}tensor of shape {tuple(output.shape)}{dtype}"
    name = type(output).__name__
    article = "an" if name[:1].lower() in "aeiou" else "a"
    if isinstance(output, Mapping):
        keys = ", ".join(map(str, list(output)[:MAX_LISTED]))
        return f"{article} {name} of {keys or 'nothing'}"
    if isinstance(output, Sequence) and not isinstance(output, str | bytes):
        listed = ", ".join(_member(one) for one in output[:MAX_LISTED])
        more = ", ..." if len(output) > MAX_LISTED else ""
        return f"{article} {name} of {listed or 'nothing'}{more}"
    return f"{article} {name}"


def _member(value: Any) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _is_softmax(probabilities: Tensor, logits: Tensor) -> bool:
    if probabilities.shape != logits.shape or torch.equal(probabilities, logits):
        return False
    expected = logits.detach().float().softmax(1)
    return bool((expected - probabilities.detach().float()).abs().max() <= TOLERANCE)
