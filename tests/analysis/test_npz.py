"""Arrays as .npz files."""

from __future__ import annotations

import io

import numpy as np
import pytest

from sge.analysis.npz import npz_file

ARRAYS = {
    "mask/layer3.5": np.linspace(0, 1, 600, dtype=np.float32).reshape(4, 10, 15),
    "energy/layer3.5": np.zeros(0, np.float32),
    "transposed": np.arange(12, dtype=np.float32).reshape(3, 4).T,
    "header": np.array("Sätze, 中文"),
}


def test_numpy_reads_the_same_arrays_as_from_its_own_file() -> None:
    own = io.BytesIO()
    np.savez_compressed(own, **ARRAYS)
    expected, found = np.load(io.BytesIO(own.getvalue())), np.load(io.BytesIO(npz_file(ARRAYS)))
    assert found.files == expected.files
    for name in expected.files:
        np.testing.assert_array_equal(found[name], expected[name])
        assert found[name].dtype == expected[name].dtype


def test_equal_arrays_give_equal_bytes() -> None:
    assert npz_file(ARRAYS) == npz_file(dict(ARRAYS))


def test_objects_are_refused() -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        npz_file({"a": np.array([object()])})
