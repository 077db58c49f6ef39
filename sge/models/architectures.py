"""The architectures whose weights files can be read: one table, and recognition by a state dict's keys and shapes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from sge.errors import CheckpointError
from sge.images import Preprocess
from sge.models.efficientnet_lite import LITE0_PREPROCESS, sge_efficientnet_lite0
from sge.models.names import LITE0
from sge.models.wording import first_few
from sge.nn import DEPTHS, NEIGHBOURS, SGE_RESNETS

State = dict[str, Tensor]
"""A state dict: parameter and buffer names to tensors."""

MIN_BOTTLENECK_DEPTH = 50
"""ResNets from this depth on have bottleneck blocks."""

_ATTENTION_KEYS = {
    "sge": "layer1.0.sge.weight",
    "se": "layer1.0.se.fc1.weight",
    "cbam": "layer1.0.cbam.reduce.weight",
    "gc": "layer1.0.gc.attend.weight",
    "bam": "bam1.reduce.weight",
    "sk": "layer1.0.conv2.near.0.weight",
}
"""Kind of attention to a key that only ResNets with it have."""
_LITE0_KEYS = ("conv_stem.weight", "blocks.1.0.se.weight")
"""Keys that every SGE-EfficientNet-Lite0 has."""
_GROUPS = 64
_NAME_IT = (
    "Say which network of timm or torchvision it is: timm:resnet50@FILE, on import --network timm:resnet50."
)


@dataclass(frozen=True)
class Traits:
    """What distinguishes the state dict of one architecture from those of the others."""

    family: str
    """``resnet`` or ``efficientnet_lite``."""
    attention: str = "sge"
    """Kind of attention; ``none`` for a plain ResNet."""
    bottleneck: bool = False
    blocks: tuple[int, ...] = ()
    """Blocks in each stage of a ResNet."""
    conv2: tuple[int, int] = (64, 64)
    """Output channels, and input channels of one convolution group, of a ResNet's first 3x3 convolution."""


@dataclass(frozen=True)
class Architecture:
    """A network that can be built, and recognized by its state dict."""

    name: str
    title: str
    """For people, such as ``SGE-ResNet-50``."""
    build: Callable[..., nn.Module]
    """``build(num_classes=1000, groups=64)`` returns the network with random weights."""
    traits: Traits
    """A state dict with these traits is one of this architecture."""
    preprocess: Preprocess
    """Preprocessing of weights whose file does not state any."""


@dataclass(frozen=True)
class Signature:
    """What a state dict's keys and shapes tell about its network."""

    arch: str
    num_classes: int
    groups: int
    """SGE groups in a block; 64 for a network without SGE."""


def _resnet(name: str, build: Callable[..., nn.Module]) -> Architecture:
    """Describes a ResNet by its name, such as ``cbam_resnet50`` or ``sge_resnext50_32x4d``."""
    match = re.fullmatch(r"(?:(\w+)_)?resne(x?)t(\d+)(?:_(\d+)x(\d+)d)?", name)
    assert match is not None, name
    attention, is_resnext, depth = match[1] or "none", bool(match[2]), int(match[3])
    cardinality, width = (int(match[4]), int(match[5])) if is_resnext else (1, 64)
    prefix = f"{attention.upper()}-" if match[1] else ""
    kind = f"ResNeXt-{depth} {match[4]}x{match[5]}d" if is_resnext else f"ResNet-{depth}"
    bottleneck = depth >= MIN_BOTTLENECK_DEPTH
    traits = Traits("resnet", attention, bottleneck, tuple(DEPTHS[depth]), (cardinality * width, width))
    return Architecture(name, prefix + kind, build, traits, Preprocess())


ARCHITECTURES: dict[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        *(_resnet(name, build) for name, build in {**SGE_RESNETS, **NEIGHBOURS}.items()),
        Architecture(
            LITE0,
            "EfficientNet-Lite0 with SGE",
            sge_efficientnet_lite0,
            Traits("efficientnet_lite"),
            LITE0_PREPROCESS,
        ),
    )
}
"""Every known architecture by its name."""


def recognize(state: State, plain: bool = False) -> Signature:
    """Finds the architecture, the number of classes and the number of groups of a state dict.

    Args:
        state: Keys to tensors; only the keys and the tensors' shapes are read.
        plain: Also accept a ResNet without attention. It has no masks to show.

    Raises:
        CheckpointError: The state dict belongs to no known architecture; the sentence says what it looks like.
    """
    try:
        traits = _traits(state)
        if traits.attention == "none" and not plain:
            raise CheckpointError(
                f"This is a ResNet without SGE. {_NAME_IT} In Python, sge.insert_sge(network) inserts SGE too."
            )
        head = "fc.weight" if traits.family == "resnet" else "classifier.weight"
        return Signature(_named(traits), state[head].shape[0], _groups(state))
    except (KeyError, IndexError) as error:
        lacks = f"{error} is missing" if isinstance(error, KeyError) else "a tensor has too few dimensions"
        raise CheckpointError(
            f"The weights look like a known network, but {lacks}. Save the network's whole state dict."
        ) from error


def _traits(state: State) -> Traits:
    if "layer1.0.conv1.weight" not in state:
        if all(key in state for key in _LITE0_KEYS):
            return Traits("efficientnet_lite")
        raise CheckpointError(
            f"The weights belong to no known architecture (first keys: {first_few(list(state))}). "
            f"Known: ResNets with SGE, SE, CBAM, BAM, SK or GC, and {LITE0}. {_NAME_IT}"
        )
    attention = next((kind for kind, key in _ATTENTION_KEYS.items() if key in state), "none")
    blocks = tuple(
        len({m[1] for key in state if (m := re.match(rf"layer{stage}\.(\d+)\.", key))}) for stage in "1234"
    )
    conv2 = state[_ATTENTION_KEYS["sk"] if attention == "sk" else "layer1.0.conv2.weight"].shape
    bottleneck = "layer1.0.conv3.weight" in state
    return Traits("resnet", attention, bottleneck, blocks, (conv2[0], conv2[1]))


def _named(traits: Traits) -> str:
    for architecture in ARCHITECTURES.values():
        if architecture.traits == traits:
            return architecture.name
    raise CheckpointError(
        f"A ResNet of unknown depth or width: {traits.blocks} blocks a stage, "
        f"{'bottleneck' if traits.bottleneck else 'basic'}, {traits.conv2[0]} channels in layer1. "
        f"Known: {', '.join(SGE_RESNETS)}. {_NAME_IT}"
    )


def _groups(state: State) -> int:
    if (first := state.get(_ATTENTION_KEYS["sge"])) is not None:
        return first.shape[1]
    # Blocks of EfficientNet-Lite0 have the largest number up to ``groups`` that divides their channels.
    gates = (tensor for key, tensor in state.items() if key.endswith(".se.weight"))
    return max((gate.shape[1] for gate in gates), default=_GROUPS)
