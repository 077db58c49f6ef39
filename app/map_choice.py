"""Which maps a request names, checked against the model's blocks before the upload is read."""

from __future__ import annotations

from dataclasses import dataclass

from sge.analysis import GROUP_COLORS, BlockInfo, check_group, parse_numbers
from sge.errors import ChoiceError, UnknownBlockError
from sge.lens import Wanted

from .slots import Slot

DEFAULT = "default"
"""The name that stands for the block with which the model's analyses open."""


@dataclass(frozen=True)
class MapChoice:
    """Blocks, groups and signal of a request; all of them exist."""

    signal: str
    blocks: list[str]
    groups: list[int] | None
    """None: every group."""

    @property
    def wanted(self) -> Wanted:
        """What a lens computes for these maps."""
        is_mask = self.signal == "mask"
        return Wanted(tuple(self.blocks), masks=is_mask, similarity=not is_mask, energy=False, parts=False)

    def numbers(self, groups: int) -> list[int]:
        """The chosen groups of a block that has ``groups`` of them."""
        return list(range(groups)) if self.groups is None else self.groups


def block_names(slot: Slot, blocks: str | None) -> list[str] | None:
    """The names in a request's ``blocks``, each once; they need not exist.

    Args:
        slot: A loaded model.
        blocks: Names separated by commas; ``default`` is the block with which the model's analyses open.

    Returns:
        Names; None if none is given.
    """
    if not blocks:
        return None
    known = {block.name for block in slot.blocks}
    names = [name.strip() for name in blocks.split(",")]
    names = [slot.default_block if name == DEFAULT and name not in known else name for name in names]
    return list(dict.fromkeys(names))


def choose_blocks(slot: Slot, blocks: str | None) -> list[str] | None:
    """``block_names`` that exist.

    Raises:
        UnknownBlockError: A block that does not exist; the message lists those that do.
    """
    names = block_names(slot, blocks)
    return None if names is None else [_block(slot, name).name for name in names]


def choose_maps(slot: Slot, blocks: str | None, groups: str | None, signal: str | None) -> MapChoice:
    """The maps that a request names.

    Args:
        slot: A loaded model.
        blocks: As for ``block_names``; every block if there is none.
        groups: Numbers and ranges, ``0,3,8-15``; every group if there is none.
        signal: ``mask`` or ``similarity``; by default the signal that the model's analyses open with.

    Raises:
        UnknownBlockError, UnknownGroupError, ChoiceError: A value that does not exist; the message lists the values
            that do.
    """
    names = choose_blocks(slot, blocks) or [block.name for block in slot.blocks]
    spans = parse_numbers(groups) if groups else None
    for name in names if spans else ():
        for span in spans or ():
            check_group(name, span[-1], _block(slot, name).groups)
    # Only after this check is a span known to be no longer than a block, and may be written out.
    numbers = None if spans is None else list(dict.fromkeys(number for span in spans for number in span))
    signal = signal or slot.signal
    for name in names:
        if signal not in (block := _block(slot, name)).signals:
            raise ChoiceError(
                f"{slot.name} gives no {signal} of {name}: its file has none. Ask for signal={block.signals[0]}."
            )
    return MapChoice(signal, names, numbers)


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
    raise UnknownBlockError(f"No block {name[:80]!r}; there are: {_names(slot)}.")


def _names(slot: Slot) -> str:
    return ", ".join(block.name for block in slot.blocks)
