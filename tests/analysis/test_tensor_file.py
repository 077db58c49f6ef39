"""The content of ``.safetensors`` files, against the package that defines them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from sge.analysis.tensor_file import tensor_file
from tests.analyses import made

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda name: name != "__metadata__"
)
SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, SHAPES, max_size=5), st.dictionaries(NAMES, NAMES, min_size=1, max_size=1))
def test_the_bytes_are_those_of_the_package(shapes, metadata):
    arrays = {
        name: np.random.default_rng(number).normal(size=shape).astype(np.float32)
        for number, (name, shape) in enumerate(shapes.items())
    }
    written = b"".join(tensor_file(arrays, metadata))
    assert written == save(arrays, metadata)
    assert all(np.array_equal(array, arrays[name]) for name, array in load(written).items())


def test_arrays_are_shown_and_not_copied():
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    _, part = tensor_file({"a": values, "b": np.zeros(0, np.float32)}, {})[:2]
    values[0, 0] = 7
    assert bytes(part) == values.tobytes()


def test_parts_of_other_arrays_are_written_as_what_they_show():
    values = np.arange(24, dtype=">f4").reshape(4, 6).astype(np.float32)
    every_other = values[::2, ::3]
    assert np.array_equal(load(b"".join(tensor_file({"a": every_other}, {})))["a"], every_other)


def test_other_numbers_are_refused():
    with pytest.raises(TypeError, match="a is float64 instead of float32"):
        tensor_file({"a": np.zeros(2)}, {})


def test_a_file_of_an_analysis_is_in_one_piece_what_it_is_in_parts(tmp_path):
    from sge.analysis.files import save as save_analysis
    from sge.analysis.files import to_bytes

    save_analysis(made(), tmp_path / "a.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == to_bytes(made(), ".safetensors")
