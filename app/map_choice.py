"""Which maps a request names, checked against the model's blocks before the upload is read."""

from __future__ import annotations

from dataclasses import dataclass

from sge.analysis import GROUP_COLORS, BlockInfo, check_group, parse_numbers
from sge.errors import ChoiceError, UnknownBlockError

from .slots import Slot


@dataclass(frozen=True)
class MapChoice:
    """Blocks, groups and signal of a request; all of them exist."""

    signal: str
    blocks: list[str]
    groups: list[int] | None
    """None: every group."""

    def numbers(self, groups: int) -> list[int]:
        """The chosen groups of a block that has ``groups`` of them."""
        return list(range(groups)) if self.groups is None else self.groups


def choose_maps(slot: Slot, blocks: str | None, groups: str | None, signal: str | None) -> MapChoice:
    """The maps that a request names.

    Args:
        slot: A loaded model.
        blocks: Names separated by commas; every block if there is none.
        groups: Numbers and ranges, ``0,3,8-15``; every group if there is none.
        signal: ``mask`` or ``similarity``; by default the signal that the model's analyses open with.

    Raises:
        UnknownBlockError, UnknownGroupError, ChoiceError: A value that does not exist; the message lists the values
            that do.
    """
    names = [name.strip() for name in blocks.split(",")] if blocks else [block.name for block in slot.blocks]
    names = list(dict.fromkeys(names))
    spans = parse_numbers(groups) if groups else None
    for name in names:
        block = _block(slot, name)
        for span in spans or ():
            check_group(block.name, span[-1], block.groups)
    # Only after this check is a span known to be no longer than a block, and may be written out.
    numbers = None if spans is None else list(dict.fromkeys(number for span in spans for number in span))
    return MapChoice(signal or slot.signal, names, numbers)


def choose_one_block(slot: Slot, block: str | None, groups: str | None, signal: str | None) -> MapChoice:
    """The same for an answer that shows a single block: the default block if none is named.

    Raises:
        UnknownBlockError, UnknownGroupError, ChoiceError: As for ``choose_maps``, or more than one block.
    """
    chosen = choose_maps(slot, block or slot.default_block, groups, signal)
    if len(chosen.blocks) > 1:
        raise ChoiceError(f"This answer shows one block; name one of: {_names(slot)}.")
    return chosen


def choose_overlay(slot: Slot, block: str | None, groups: str | None, signal: str | None) -> MapChoice:
    """The same for an overlay, which draws each group in a color of its own.

    Raises:
        UnknownBlockError, UnknownGroupError, ChoiceError: As for ``choose_one_block``, or more groups than colors.
    """
    chosen = choose_one_block(slot, block, groups, signal)
    count = len(chosen.numbers(_block(slot, chosen.blocks[0]).groups))
    if count > len(GROUP_COLORS):
        raise ChoiceError(f"{count} groups were asked for; choose 1 to {len(GROUP_COLORS)}.")
    return chosen


def _block(slot: Slot, name: str) -> BlockInfo:
    for block in slot.blocks:
        if block.name == name:
            return block
    raise UnknownBlockError(f"No block {name!r}; there are: {_names(slot)}.")


def _names(slot: Slot) -> str:
    return ", ".join(block.name for block in slot.blocks)
