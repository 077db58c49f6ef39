"""The network that learns, with everything of a forward pass that a loss may ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from sge.nn.blocks import sge_blocks


@dataclass
class Seen:
    """One forward pass, with gradients."""

    logits: Tensor
    features: Tensor
    """(N, C): what the classifier got."""
    masks: dict[str, Tensor] = field(default_factory=dict)
    """By block: (N, G, h, w)."""
    similarity: dict[str, Tensor] = field(default_factory=dict)


class Student(nn.Module):
    """A classifier under training; gradients of all its parts are shared between processes as one module.

    Args:
        network: With a linear classifier ``fc``.
        teacher_features: Length of the teacher's features, if they are to be told from the student's.
    """

    def __init__(self, network: nn.Module, teacher_features: int = 0) -> None:
        super().__init__()
        self.network = network
        self.tell = nn.Linear(classifier(network).in_features, teacher_features) if teacher_features else None
        self._masks: dict[str, Tensor] = {}
        self._similarity: dict[str, Tensor] = {}
        self._features: list[Tensor] = []
        for name, module in sge_blocks(network).items():
            module.gate.register_forward_hook(self._reader(name))
        classifier(network).register_forward_pre_hook(self._keep)

    def _reader(self, name: str) -> Any:
        def read(_gate: nn.Module, inputs: tuple[Tensor, ...], mask: Tensor) -> None:
            self._similarity[name], self._masks[name] = inputs[0], mask

        return read

    def _keep(self, _linear: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._features = [inputs[0]]

    def forward(self, images: Tensor) -> Seen:
        """(N, 3, h, w), normalised."""
        logits = self.network(images).float()
        features = self._features[0].float()
        if self.tell is not None:
            features = self.tell(features)
        seen = Seen(logits, features, dict(self._masks), dict(self._similarity))
        self._masks.clear()
        self._similarity.clear()
        self._features = []
        return seen


def classifier(network: nn.Module) -> nn.Linear:
    """The last linear layer, whatever a family calls it."""
    linears = [module for module in network.modules() if isinstance(module, nn.Linear)]
    return linears[-1]
