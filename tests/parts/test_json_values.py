"""Numbers, lists and points of parsed JSON."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sge.parts.json_values import MAX_NUMBER, is_number, listed, number, numbers, point

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=3),
    st.integers(),
    st.floats(),
    st.integers().map(lambda power: 10 ** abs(power % 600)),
)


@given(VALUES)
def test_what_is_no_finite_number_of_limited_size_is_refused(value):
    is_right = type(value) in (int, float) and value == value and -MAX_NUMBER <= value <= MAX_NUMBER
    assert is_number(value) is is_right
    if is_right:
        assert number(value) == value
        assert isinstance(number(value), float)
        return
    with pytest.raises(ValueError, match="is not a number from -1e"):
        number(value)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", "1" * 4000])
def test_what_json_reads_and_no_file_may_hold(text):
    assert not is_number(json.loads(text))


def test_lists_have_a_length():
    assert numbers([1, 2.5], 2) == (1.0, 2.5)
    assert listed([[], 1], 1, 2) == [[], 1]
    for value in ((1, 2), "ab", {"a": 1, "b": 2}, [1], [1, 2, 3], None):
        with pytest.raises(ValueError, match="in place of a list of 2 to 2"):
            numbers(value, 2)


@pytest.mark.parametrize("value", [[1], [1, 2, 3], "ab", [1, None], [1, math.nan], [True, 1], None, {}])
def test_a_point_is_two_numbers(value):
    assert point([1, 2]) == (1.0, 2.0)
    with pytest.raises(ValueError, match=r"in place of \[x, y\]"):
        point(value)
