"""Checks values of parsed JSON."""

from __future__ import annotations

from typing import Any

MAX_NUMBER = 1e9
"""Largest absolute value of a number in a file, so that no logit or offset that is computed of it overflows."""


def is_number(value: object) -> bool:
    """Whether a value is a number of at most ``MAX_NUMBER``: no truth value, not infinite and not NaN."""
    # The comparison is exact for whole numbers of any length, and false for NaN.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER


def number(value: Any) -> float:
    """A number for which ``is_number`` holds.

    Raises:
        ValueError: it is something else.
    """
    if not is_number(value):
        raise ValueError(f"{str(value)[:80]!r} is not a number from {-MAX_NUMBER:g} to {MAX_NUMBER:g}")
    return float(value)


def numbers(values: Any, count: int) -> tuple[float, ...]:
    """So many numbers.

    Raises:
        ValueError: it is something else.
    """
    return tuple(number(value) for value in listed(values, count, count))


def listed(values: Any, least: int, most: int) -> list[Any]:
    """A list of ``least`` to ``most`` values.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(values, list) or not least <= len(values) <= most:
        raise ValueError(f"{str(values)[:80]} in place of a list of {least} to {most}")
    return values


def point(value: Any) -> tuple[float, float]:
    """A list of x and y.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, list) or len(value) != 2 or not all(map(is_number, value)):
        raise ValueError(f"a point is {str(value)[:80]} in place of [x, y]")
    return float(value[0]), float(value[1])
