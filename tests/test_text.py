"""Text from outside as one line of bounded length."""

from __future__ import annotations

import pytest

from sge.models import Card
from sge.text import in_words


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a.tar"], "a.tar"),
        (list("abcdefgh"), "a, b, c, d, e, f, g, h"),
        (list("abcdefghij"), "a, b, c, d, e, f, g, h and 2 more"),
        (["a\nb", "c\x1b"], "a\\nb, c\\x1b"),
    ],
)
def test_names_in_words(names, text):
    assert in_words(names) == text


def test_any_names_fit_into_a_card():
    """The card is made after the training, whose result would be lost."""
    names = in_words([f"{number} {chr(8238)}" + "x" * 300 for number in range(10_000)])
    Card(title="T", sentence=f"Trained on {names}, dev images ({names}).", data=f"{names}; {names}")
