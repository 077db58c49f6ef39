"""A network with what is known about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from torch import nn

from sge.images.framing import Preprocess
from sge.nn.capture import sge_blocks
from sge.nn.permutation.permute import IDENTITY_PERMUTATION
from sge.parts.finder import Finder

GATES = ("inactive", "tuned", "trained")


@dataclass(frozen=True)
class Card:
    """The facts of a model. A figure is here only with its test set and protocol."""

    title: str
    """For people: ``EfficientNet-Lite0 with SGE``."""
    sentence: str
    """What the model knows and was trained on, in one sentence."""
    gates: str = "trained"
    """inserted (inactive), awake or trained; none in a network without SGE."""
    data: str = "not stated"
    accuracy: list[dict[str, Any]] = field(default_factory=list)
    """Each with ``top1`` (a fraction), ``set``, ``protocol`` and ``command``."""
    licence: str = "not stated"
    source: str = "not stated"
    sha256: str | None = None
    """Of the file that the weights came from."""
    opens_with: dict[str, Any] | None = None
    """The group that a viewer shows first: ``block``, ``group``, and ``reason`` in words."""
    opens_service: str | None = None
    """Why a service opens with this model and no other, by the measured figures."""
    made_from: dict[str, Any] | None = None
    """How gates were awakened: ``recipe``, ``images``, ``model`` and the like."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


@dataclass
class Model:
    """A network, its classes, its input and its card."""

    name: str
    network: nn.Module
    labels: list[str]
    card: Card
    preprocess: Preprocess
    arch: str
    permutations: str = IDENTITY_PERMUTATION
    """``orders_digest`` of the channel orders that were folded into the network."""
    finder: Finder | None = None
    """Finds noses and eyes in an analysis; None where none was fitted."""

    @property
    def inactive(self) -> bool:
        """Whether no gate of the network acts: every weight is 0."""
        gates = sge_blocks(self.network).values()
        return bool(gates) and all(not bool(gate.weight.detach().any()) for gate in gates)

    @property
    def parameters(self) -> int:
        """Number of learned numbers."""
        return sum(p.numel() for p in self.network.parameters())
