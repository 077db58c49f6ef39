"""Type aliases of NumPy arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
"""float32 array: network input, masks, similarity or part maps."""
Float64Array = npt.NDArray[np.float64]
"""float64 array: points and other numbers that are not stored."""
