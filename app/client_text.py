"""What a client sent, as answers may repeat it."""

from __future__ import annotations

MAX_SHOWN = 60
"""Characters of the client's own words that a sentence repeats."""


def visible(text: str) -> str:
    """A text without invisible characters."""
    return "".join(letter for letter in text if letter.isprintable())


def shown(text: str) -> str:
    """A text for a sentence: cut off and without invisible characters."""
    seen = visible(text)
    return seen if len(seen) <= MAX_SHOWN else f"{seen[:MAX_SHOWN]}…"
