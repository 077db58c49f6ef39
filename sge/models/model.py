"""A network with its labels, its preprocessing and its card."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sge.images import MAX_SIZE, Preprocess
from sge.models.card import CARD_VERSION, Card
from sge.models.names import IDENTITY_PERMUTATION
from sge.parts import Finder

if TYPE_CHECKING:
    from torch import nn

    from sge.models.description import Description
    from sge.nn import Adapter, SGEBlock

__all__ = ["CARD_VERSION", "Card", "Model"]

_NO_CARD = Card(title="not stated", sentence="not stated")
_NO_PREPROCESS = Preprocess()


@dataclass
class Model:
    """A network with everything that is needed to use it.

    ``Model(name, network, labels)`` is enough for a network of your own. Its card then states the kind of its gates
    and that nothing was measured, and ``arch`` is the name of the network's class. Without labels, those that the network
    keeps as ``names`` are taken, as ultralytics' networks do; without any, there are no predictions. Of an
    ``ultralytics.YOLO`` or its like, the network inside is taken.
    """

    name: str
    network: nn.Module
    labels: list[str] | None = None
    """One label for each class, in the order of the logits or of a detector's classes. None: there are no predictions."""
    card: Card = _NO_CARD
    preprocess: Preprocess = _NO_PREPROCESS
    """ImageNet's by default; for torchvision's detectors and ultralytics' networks, pixels of 0 to 1 in their own size."""
    arch: str = ""
    """Name of the architecture in ``sge.models.architectures``."""
    permutations: str = IDENTITY_PERMUTATION
    """``permutation_digest`` of the channel permutations that were applied to the published weights."""
    finder: Finder | None = None
    """Finds noses and eyes in an analysis. None if no finder was fitted for this model."""
    adapter: Adapter | str | None = "auto"
    """Reads what the network returns: a name of ``sge.lens.adapters.ADAPTERS`` or a function; None reads nothing. ``auto``
    takes logits and boxes where they are unambiguous."""
    description: Description | None = None
    """How a library builds the network by name; None for the known architectures and for networks of your own."""

    def __post_init__(self) -> None:
        from sge.nn import wrapped_network  # It imports torch, as below.

        self.network = wrapped_network(self.network) or self.network
        self.arch = self.arch or type(self.network).__name__
        self._take_conventions()
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

    def _take_conventions(self) -> None:
        """Takes what the network states of its own labels and input, where nothing else is given."""
        from sge.nn import own_labels  # It imports torch, as below.

        if self.labels is None:
            self.labels = own_labels(self.network)
        if self.preprocess is _NO_PREPROCESS:
            self.preprocess = with_own_input(_NO_PREPROCESS, self.network)

    def _gates(self) -> dict[str, SGEBlock]:
        from sge.nn import sge_blocks  # It imports torch, which this module's importers may not need.

        return sge_blocks(self.network)


def with_own_input(usual: Preprocess, network: nn.Module) -> Preprocess:
    """A preprocessing with the input that the network states itself, where it states one.

    Args:
        usual: What is assumed of the network.
        network: One of torchvision's detectors or of ultralytics, which take pixels of 0 to 1, or one that takes inputs of
            one size only; of any other nothing is known.
    """
    from sge.nn import only_input, own_input  # They import torch, which this module's importers may not need.

    if (own := own_input(network)) is not None:
        return Preprocess.unnormalized(min(own.size, MAX_SIZE))
    only = only_input(network)
    if only is None or max(only) > MAX_SIZE:
        return usual
    size = min(only)
    return replace(usual, size=size, resize=max(size, round(usual.resize * size / usual.size)), fixed=only)
