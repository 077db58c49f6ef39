"""What a network's output is read as: logits, boxes, or neither."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Output:
    """The output of one forward pass of N images, as an adapter reads it."""

    logits: Tensor | None = None
    """(N, classes), floating; None for a network without logits."""
    boxes: Sequence[Tensor] | None = None
    """For each image (K, 6), floating: left, top, right and bottom in pixels of the input, score, number of the class. None
    for a network that finds no objects."""
    note: str = ""
    """What is not read and why, as a full sentence."""


Adapter = Callable[[Any, tuple[int, ...]], Output]
"""``adapter(output, input_shape)`` reads what the network returned for an input of shape (N, channels, h, w)."""
