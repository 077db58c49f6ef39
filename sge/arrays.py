"""Type aliases of arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
"""Masks, similarity and part maps."""
