"""What a caller of a lens wants to know of an image, so that nothing else is computed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sge.errors import UnknownBlockError, check_choice
from sge.parts import BY


@dataclass(frozen=True)
class Wanted:
    """The parts of an analysis that are computed. Predictions and the sizes of all blocks always are.

    ``Wanted(blocks=("layer3.5",), energy=False)`` gives mask and similarity of one block.
    """

    blocks: tuple[str, ...] | None = None
    """Names of the blocks whose masks, similarity and energy are kept; None for all."""
    masks: bool = True
    similarity: bool = True
    energy: bool = True
    parts: bool = True
    """Parts, and the maps they are found in, of a model with a finder; the blocks that it reads need not be named."""
    parts_by: str = "mix"
    """What parts are read from: ``mix`` (groups and single channels) or ``groups`` alone. Where the model's finder lacks it,
    the other one stands in, and then the finder's readouts."""
    part_candidates: bool = False
    """Also what a detector sees below the confidence at which it lists a part, for measurements."""

    def __post_init__(self) -> None:
        check_choice("parts_by", self.parts_by, BY)
        if self.blocks is not None:
            given: object = self.blocks
            names = (given,) if isinstance(given, str) else tuple(self.blocks)
            object.__setattr__(self, "blocks", names)

    def names(self, known: Iterable[str]) -> tuple[str, ...]:
        """The wanted blocks, in the order of the network.

        Args:
            known: Names of all blocks.

        Raises:
            UnknownBlockError: there is no block of a wanted name; the message lists the names.
        """
        known = tuple(known)
        if self.blocks is None:
            return known
        if unknown := [str(name) for name in self.blocks if name not in known]:
            raise UnknownBlockError(f"No block {', '.join(unknown)}; there are: {', '.join(known)}.")
        return tuple(name for name in known if name in self.blocks)


EVERYTHING = Wanted()
