"""Arrays as the content of a ``.npz`` file, which ``numpy.load`` reads."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import numpy as np

from sge.arrays import Array

LEVEL = 1
"""Of zlib. Float32 maps come to 0.74 of their size in 0.6 of the time that NumPy's own level takes for 0.72."""


def npz_file(arrays: Mapping[str, Array]) -> bytes:
    """What ``numpy.savez_compressed`` writes, with less effort to make it small.

    Args:
        arrays: By name, of any dtype but object.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(values), allow_pickle=False)
    return buffer.getvalue()
