"""Words of sentences on files: what to do next, lists, counts, and names that come from a file."""

from __future__ import annotations

from sge.text import printable

AGAIN = "Download, import or save it again."
CHOOSE_WEIGHTS = "Choose the file of the weights."
SAVE_WEIGHTS = "torch.save(network.state_dict(), path)"
GIVE_PYTORCH = f"Give the PyTorch weights that it was made from: {SAVE_WEIGHTS}."
_MAX_NAME = 80


def first_few(items: list[str], count: int = 3) -> str:
    """Joins the first items, for a sentence; names of a file are cut and made printable."""
    return ", ".join(map(shown, items[:count])) + (", ..." if len(items) > count else "")


def counted(count: int, noun: str) -> str:
    """Returns ``1 key is`` or ``3 keys are``."""
    return f"1 {noun} is" if count == 1 else f"{count:,} {noun}s are"


def quoted(name: str) -> str:
    """Returns a name of a file in quotation marks."""
    return f"'{shown(name)}'"


def shown(name: str) -> str:
    """Returns a name of a file so that a terminal and JSON can show it: printable and at most 80 characters."""
    text = printable(name)
    return text if len(text) <= _MAX_NAME else text[: _MAX_NAME - 3] + "..."
