"""A network with its labels, its preprocessing and its card."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sge.images import Preprocess
from sge.models.card import CARD_VERSION, Card
from sge.models.names import IDENTITY_PERMUTATION
from sge.parts import Finder

if TYPE_CHECKING:
    from torch import nn

    from sge.nn import SpatialGroupEnhance

__all__ = ["CARD_VERSION", "Card", "Model"]

_NO_CARD = Card(title="not stated", sentence="not stated")


@dataclass
class Model:
    """A network with everything that is needed to use it.

    ``Model(name, network, labels)`` is enough for a network of your own. Its card then states the kind of its gates
    and that nothing was measured, and ``arch`` is the name of the network's class.
    """

    name: str
    network: nn.Module
    labels: list[str]
    """One label for each class, in the order of the logits."""
    card: Card = _NO_CARD
    preprocess: Preprocess = field(default_factory=Preprocess)
    arch: str = ""
    """Name of the architecture in ``sge.models.architectures``."""
    permutations: str = IDENTITY_PERMUTATION
    """``permutation_digest`` of the channel permutations that were applied to the published weights."""
    finder: Finder | None = None
    """Finds noses and eyes in an analysis. None if no finder was fitted for this model."""

    def __post_init__(self) -> None:
        self.arch = self.arch or type(self.network).__name__
        if self.card is _NO_CARD:
            gates = "inactive" if self.inactive else "trained" if self._gates() else "none"
            self.card = Card(self.name, "A network of your own. Nothing was measured.", gates)

    @property
    def inactive(self) -> bool:
        """Whether the network has gates and every one of them has weight 0, so that all masks are constant."""
        gates = self._gates().values()
        if any(gate.weight.is_meta for gate in gates):
            return False  # Without values nothing is known; a Lens refuses such a network.
        return bool(gates) and all(not bool(gate.weight.detach().any()) for gate in gates)

    @property
    def groups(self) -> dict[str, int]:
        """SGE block to its number of groups."""
        return {name: gate.groups for name, gate in self._gates().items()}

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.network.parameters())

    def _gates(self) -> dict[str, SpatialGroupEnhance]:
        from sge.nn import sge_blocks  # It imports torch, which this module's importers may not need.

        return sge_blocks(self.network)
