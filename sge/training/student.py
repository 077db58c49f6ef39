"""The network under training, with everything of a forward pass that a loss may need."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from sge.errors import ChoiceError
from sge.nn import Capture, sge_blocks


@dataclass(frozen=True)
class StudentOutput:
    """One forward pass; every tensor carries its gradient."""

    logits: Tensor
    """(N, classes), float32."""
    features: Tensor | None = None
    """(N, C'), float32: projected penultimate features; None unless the student projects them."""
    masks: dict[str, Tensor] = field(default_factory=dict)
    """By SGE block: (N, G, h, w), between 0 and 1."""
    similarity: dict[str, Tensor] = field(default_factory=dict)
    """By SGE block: (N, G, h, w), standardized in each map."""
    block_outputs: dict[str, Tensor] = field(default_factory=dict)
    """By SGE block: (N, C, h, w); empty unless the student was asked for them."""


class Student(nn.Module):
    """A network and what its training adds; one module, so that all its gradients are shared between processes.

    Masks and features are read by a capture that is opened around each forward pass, so copies of the network
    carry no hooks.

    Args:
        network: The network; ``teacher_features`` needs a linear classifier as its last linear layer.
        teacher_features: Length of the teacher's penultimate features, to which the student's are projected by
            a learned linear layer; 0: features are not read.
        block_outputs: Also return the output of each block that carries SGE.
    """

    def __init__(self, network: nn.Module, teacher_features: int = 0, *, block_outputs: bool = False) -> None:
        super().__init__()
        self.network = network
        self.blocks = list(sge_blocks(network))
        self._outputs = tuple(self.blocks) if block_outputs else ()
        self._classifier = classifier_path(network) if teacher_features else None
        self.feature_projection = (
            nn.Linear(classifier(network).in_features, teacher_features) if teacher_features else None
        )

    def forward(self, images: Tensor) -> StudentOutput:
        """Runs the network.

        Args:
            images: (N, 3, h, w), normalized.
        """
        inputs = () if self._classifier is None else (self._classifier,)
        with Capture(self.network, self.blocks, inputs=inputs, outputs=self._outputs, grad=True) as capture:
            logits = self.network(images).float()
        features = None
        if self._classifier is not None and self.feature_projection is not None:
            features = self.feature_projection(capture.inputs[self._classifier].float())
        block_outputs = {name: capture.outputs[name] for name in self._outputs}
        return StudentOutput(logits, features, dict(capture.masks), dict(capture.similarity), block_outputs)


def classifier_path(network: nn.Module) -> str:
    """Path of the network's last linear layer; its input are the penultimate features.

    Raises:
        ChoiceError: The network has no linear layer.
    """
    paths: list[str] = [path for path, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not paths:
        raise ChoiceError(
            f"{type(network).__name__} has no linear layer that could be its classifier. Use a classifier that ends "
            "with torch.nn.Linear."
        )
    return paths[-1]


def classifier(network: nn.Module) -> nn.Linear:
    """The network's last linear layer, under whatever name.

    Raises:
        ChoiceError: The network has no linear layer.
    """
    linear = network.get_submodule(classifier_path(network))
    assert isinstance(linear, nn.Linear)
    return linear
