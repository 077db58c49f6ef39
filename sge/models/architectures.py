"""What a state dict's keys and shapes say about its network."""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch import Tensor

from sge.errors import CheckpointError

State = dict[str, Tensor]

_RESNETS = {
    (False, (2, 2, 2, 2), 64, 64): "resnet18",
    (False, (3, 4, 6, 3), 64, 64): "resnet34",
    (True, (3, 4, 6, 3), 64, 64): "resnet50",
    (True, (3, 4, 23, 3), 64, 64): "resnet101",
    (True, (3, 8, 36, 3), 64, 64): "resnet152",
    (True, (3, 4, 6, 3), 128, 4): "resnext50_32x4d",
    (True, (3, 4, 23, 3), 256, 8): "resnext101_32x8d",
}
"""(bottleneck, blocks a stage, output and input channels of the first 3x3 convolution) to architecture."""
_SIGNS = {
    "sge_": "layer1.0.sge.weight",
    "se_": "layer1.0.se.reduce.weight",
    "cbam_": "layer1.0.cbam.reduce.weight",
    "gc_": "layer1.0.gc.attend.weight",
    "bam_": "bam1.reduce.weight",
    "sk_": "layer1.0.conv2.near.0.weight",
}
"""Kind of attention, as names begin, to a key that only it has."""
_LITE0 = "sge_efficientnet_lite0"
_GROUPS = 64


@dataclass(frozen=True)
class Signature:
    """What a state dict's keys and shapes say about its network."""

    arch: str
    num_classes: int
    groups: int


def recognize(state: State, plain: bool = False) -> Signature:
    """Architecture, classes and groups from keys and shapes.

    Args:
        state: Keys to tensors.
        plain: Also take a ResNet without attention, which has nothing to look at.

    Raises:
        CheckpointError: not one of our networks; the sentence says what it looks like.
    """
    try:
        if "layer1.0.conv1.weight" in state:
            return _recognise_resnet(state, plain)
        if "blocks.1.0.se.weight" in state and "conv_stem.weight" in state:
            groups = max(t.shape[1] for key, t in state.items() if key.endswith(".se.weight"))
            return Signature(_LITE0, state["classifier.weight"].shape[0], groups)
    except (KeyError, IndexError) as error:
        lacks = f"{error} is missing" if isinstance(error, KeyError) else "a tensor has too few dimensions"
        raise CheckpointError(
            f"The weights look like a network of ours, but {lacks}. Save the network's whole state dict."
        ) from error
    raise CheckpointError(
        "The weights are of no architecture that is known here "
        f"(first keys: {some(list(state))}). Known: SGE-ResNets and their neighbours, and {_LITE0}."
    )


def _recognise_resnet(state: State, plain: bool) -> Signature:
    attention = next((kind for kind, key in _SIGNS.items() if key in state), "")
    if not attention and not plain:
        raise CheckpointError(
            "This is a ResNet without SGE. Load it with torchvision and give it SGE with sge.insert_sge(network)."
        )
    counts = [{m[1] for key in state if (m := re.match(rf"layer{s}\.(\d+)\.", key))} for s in "1234"]
    blocks = tuple(len(numbers) for numbers in counts)
    first = "layer1.0.conv2.near.0.weight" if attention == "sk_" else "layer1.0.conv2.weight"
    conv2 = state[first].shape
    kind = ("layer1.0.conv3.weight" in state, blocks, conv2[0], conv2[1])
    if kind not in _RESNETS:
        raise CheckpointError(
            f"An SGE-ResNet of a depth or width that is not known here: {blocks} blocks a stage, "
            f"{'bottleneck' if kind[0] else 'basic'}, {conv2[0]} channels in layer1. "
            f"Known: {', '.join(f'sge_{name}' for name in _RESNETS.values())}."
        )
    groups = state[_SIGNS["sge_"]].shape[1] if attention == "sge_" else _GROUPS
    return Signature(attention + _RESNETS[kind], state["fc.weight"].shape[0], groups)


def some(items: list[str]) -> str:
    """The first few, for a sentence."""
    return ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")
