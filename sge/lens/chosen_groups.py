"""Groups of blocks that a caller names, and random groups in their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import index
from typing import Literal

import numpy as np

from sge.analysis import Groups
from sge.errors import (
    CaptureError,
    ChoiceError,
    UnknownBlockError,
    UnknownGroupError,
    check_seed,
    check_whole,
)

ChosenGroups = Mapping[str, Iterable[int] | Literal["all"] | None] | Literal["all"]
"""Block name to numbers of groups, where None and ``all`` stand for every group; ``all``: every group of every block."""


def check_groups(blocks: Mapping[str, int], groups: ChosenGroups) -> Groups:
    """The chosen groups, each once and in the order of the network.

    Raises:
        UnknownBlockError: there is no such SGE block; the message lists the blocks.
        UnknownGroupError: the block has no group of that number.
        ChoiceError: ``groups`` is neither a mapping nor ``all``.
    """
    if isinstance(groups, str):
        if groups != "all":
            raise ChoiceError(
                f"groups is {groups!r}; give 'all', or a mapping such as {{{next(iter(blocks))!r}: [0, 1]}}."
            )
        groups = dict.fromkeys(blocks)
    if not isinstance(groups, Mapping):
        raise ChoiceError(f"groups is {groups!r}; give a mapping such as {{{next(iter(blocks))!r}: [0, 1]}}.")
    check_blocks(blocks, groups)
    return {name: _numbers(name, blocks[name], groups[name]) for name in blocks if name in groups}


def check_blocks(blocks: Mapping[str, int], names: Iterable[str]) -> None:
    """Checks that every name is that of an SGE block.

    Raises:
        UnknownBlockError: one is not; the message lists the blocks.
    """
    if unknown := [str(name) for name in names if name not in blocks]:
        raise UnknownBlockError(f"No SGE block {', '.join(unknown)}; there are: {', '.join(blocks)}.")


def draw_groups(blocks: Mapping[str, int], groups: Groups, draws: int, seed: int) -> list[Groups]:
    """Random groups of the same blocks: in each draw and block as many as are chosen, each at most once.

    Args:
        blocks: SGE block name to its number of groups.
        groups: The chosen groups.
        draws: Number of draws, 0 or more.
        seed: The same seed gives the same draws.

    Raises:
        ChoiceError: ``draws`` or ``seed`` is below 0.
    """
    if check_whole("controls", draws) < 0:
        raise ChoiceError(f"controls is {draws}; ask for 0 draws of random groups or more.")
    check_seed(seed)
    random = np.random.default_rng(seed)
    return [
        {
            name: sorted(random.choice(blocks[name], len(chosen), replace=False).tolist())
            for name, chosen in groups.items()
        }
        for _ in range(draws)
    ]


def _numbers(name: str, count: int, chosen: Iterable[int] | str | None) -> list[int]:
    if chosen is None or (isinstance(chosen, str) and chosen == "all"):
        return list(range(count))
    try:
        numbers = {index(number) for number in chosen}  # type: ignore[arg-type]
    except TypeError as error:
        raise UnknownGroupError(
            f"Groups of {name} are {chosen!r}; give numbers from 0 to {count - 1}, or 'all'."
        ) from error
    if wrong := sorted(number for number in numbers if not 0 <= number < count):
        raise UnknownGroupError(
            f"{name} has no group {', '.join(map(str, wrong))}; its groups are 0 to {count - 1}."
        )
    return sorted(numbers)


def no_groups(name: str, is_foreign: bool) -> CaptureError:
    """The error for effects of groups, of a network that has none.

    Args:
        name: Of the network.
        is_foreign: Whether it is in a file that somebody else made.
    """
    if is_foreign:
        return CaptureError(
            f"{name} is a file that somebody else made: it gives maps, and no way to remove groups, so that their effect "
            "cannot be measured. Give the PyTorch network that it was made from."
        )
    return CaptureError(
        f"{name} has no SGE block, so it has no groups whose effect could be measured; CBAM and BAM have one map for all "
        "channels. Give it SGE with sge.insert_sge."
    )
