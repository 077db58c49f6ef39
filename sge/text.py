"""Text from outside (names of files, labels) as one line that every terminal and every file can hold."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def printable(text: str, keep: str = "") -> str:
    r"""Writes characters that are not printable as escapes, such as ``\n`` and ``\x1b``.

    These are control characters, marks that turn the direction of text, and bytes of a file name that are no UTF-8.

    Args:
        text: Any text.
        keep: Characters to leave as they are.
    """
    return "".join(c if _is_plain(c) or c in keep else c.encode("unicode_escape").decode() for c in text)


def _is_plain(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


def shortened(text: str, letters: int) -> str:
    """The text as ``printable``, cut to a number of letters, of which the last is then an ellipsis."""
    whole = printable(text[: letters + 1])
    return whole if len(whole) <= letters else whole[: letters - 1] + "\u2026"


def in_words(names: Sequence[str], most: int = 8, letters: int = 80) -> str:
    """Names as an enumeration of bounded length, for a sentence: ``a.tar, b.tar and 3 more``.

    Args:
        names: Any number of them.
        most: How many are named.
        letters: Most letters of each.
    """
    named = ", ".join(shortened(name, letters) for name in names[:most])
    return f"{named} and {len(names) - most} more" if len(names) > most else named
