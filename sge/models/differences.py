"""Differences between what an exported file and its network give, and how large they may be. Needs no torch."""

from __future__ import annotations

import numpy as np

from sge.arrays import Array
from sge.models.exported_model import LOGITS as LOGITS_OUTPUT
from sge.models.exported_model import RESULT

LOGITS = 1e-4
"""Largest difference of logits, relative to the largest logit of the pass."""
MAPS = 1e-3
"""Largest difference of maps and energies where rounding is not enlarged; a similarity has standard deviation 1."""
QUIET = 1e-3
"""The numbers of a channel are compared with this fraction of those of the loudest one, if they are smaller: what remains
where large numbers cancel each other is rounding."""


def _is_result(output: str) -> bool:
    return output.partition("/")[0] in (LOGITS_OUTPUT, RESULT)


def tolerance(output: str) -> float:
    """Largest difference of an output that needs no explanation."""
    return LOGITS if _is_result(output) else MAPS


def distance(a: Array, b: Array, output: str) -> float:
    """Largest difference: absolute for maps, else relative to the largest number, in each channel of three and more axes."""
    difference, scale = np.abs(a.astype(np.float64) - b), np.ones(1)
    if _is_result(output) and b.size:
        axes = tuple(axis for axis in range(b.ndim) if b.ndim < 3 or axis != 1)
        largest = np.abs(b.astype(np.float64)).max(axes, keepdims=True)
        scale = np.maximum(largest, QUIET * largest.max()) if largest.max() > 0 else scale
    return float((difference / scale).max(initial=0.0))
