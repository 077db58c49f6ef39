"""Groups as a person or a URL names them: ``blocks.5.0:20,36;blocks.3.1``, or ``all``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sge.analysis.effect import Groups
from sge.errors import ChoiceError, UnknownBlockError, UnknownGroupError

ALL = "all"


def choose_groups(text: str, blocks: Mapping[str, int]) -> Groups:
    """The groups that a text names.

    Args:
        text: ``BLOCK:NUMBERS`` separated by semicolons, with numbers and ranges as in ``0,3,8-15``. A block alone stands
            for all of its groups, and ``all`` alone for all groups of all blocks.
        blocks: Block name to its number of groups.

    Returns:
        Block name to numbers, in the order of the text, each once.

    Raises:
        ChoiceError: Another form, or a network without SGE.
        UnknownBlockError: No such block; the message lists the blocks.
        UnknownGroupError: No such group; the message says which there are.
    """
    if not blocks:
        raise ChoiceError("This network has no SGE block, so it has no groups. Choose another model.")
    if text.strip() == ALL:
        return {name: list(range(groups)) for name, groups in blocks.items()}
    chosen: Groups = {}
    for piece in text.split(";"):
        name, colon, numbers = (word.strip() for word in piece.partition(":"))
        if not name:
            raise ChoiceError(f"groups is {text[:80]!r}; {_form(blocks)}")
        if name not in blocks:
            raise UnknownBlockError(f"No block {name[:80]!r}; there are: {', '.join(blocks)}.")
        spans = parse_numbers(numbers) if colon else [range(blocks[name])]
        for span in spans:
            check_group(name, span[-1], blocks[name])
        # Only after this check is a span known to be no longer than a block, and may be written out.
        numbers_of_block = chosen.setdefault(name, [])
        numbers_of_block += [number for span in spans for number in span]
    return {name: list(dict.fromkeys(numbers)) for name, numbers in chosen.items()}


def parse_numbers(text: str) -> list[range]:
    """``0,3,8-15`` as ranges, none of them empty.

    Raises:
        ChoiceError: Another form.
    """
    spans = []
    for piece in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,6})\s*(?:-\s*([0-9]{1,6})\s*)?", piece)
        span = range(int(match[1]), int(match[2] or match[1]) + 1) if match else None
        if not span:
            raise ChoiceError(
                f"groups is {text[:80]!r}; write numbers and ranges, smaller number first, for example 0,3,8-15."
            )
        spans.append(span)
    return spans


def check_group(block: str, group: int, groups: int) -> None:
    """Checks a group's number.

    Args:
        block: The block's name, for the message.
        group: The number, 0 or above.
        groups: How many groups the block has.

    Raises:
        UnknownGroupError: No such group; the message says which there are.
    """
    if group >= groups:
        raise UnknownGroupError(f"{block} has groups 0 to {groups - 1}; there is no group {group}.")


def _form(blocks: Mapping[str, int]) -> str:
    first = next(iter(blocks))
    return f"write BLOCK:NUMBERS separated by semicolons, for example {first}:0,3, or all. Blocks: {', '.join(blocks)}."
