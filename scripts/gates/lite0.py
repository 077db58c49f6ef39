"""EfficientNet-Lite0 with SGE as a function of its tensors, with the batch norms folded into the convolutions.

Batch norms keep their statistics in gate tuning, so that convolution and norm are one convolution whose weight and
bias are computed from the learned tensors. That saves most of the memory traffic of a training step. Convolutions run in
the chosen dtype; folding, similarity, masks and all losses are float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from sge.nn.module import INACTIVE_MASK, group_similarity, masked

EPS = 1e-3
"""Of the network's batch norms."""
STRIDED = ("blocks.1.0", "blocks.2.0", "blocks.3.0", "blocks.5.0")
"""Blocks whose depthwise convolution halves the map."""
KINDS = {"expand": "conv_pw", "depthwise": "conv_dw", "project": "conv_pwl"}
"""Kind of convolution to its name in a block."""

State = Mapping[str, Tensor]
Folded = dict[str, tuple[Tensor, Tensor]]
"""Path of a convolution to weight and bias with the norm in them."""


@dataclass
class Outputs:
    """What one forward pass computes."""

    logits: Tensor
    pooled: Tensor
    """(N, 1280): input of the classifier, float32."""
    features: dict[str, Tensor] = field(default_factory=dict)
    """Block name to the block's output, in the dtype of the convolutions."""
    masks: dict[str, Tensor] = field(default_factory=dict)
    """Block name to (N, G, h, w), float32; empty if the gates are inactive."""


def gated_blocks(state: State) -> list[str]:
    """Names of the blocks with SGE, in the order of the network."""
    return [key.removesuffix(".se.weight") for key in state if key.endswith(".se.weight")]


def learned_keys(state: State, kinds: list[str]) -> dict[str, list[str]]:
    """State-dict keys that change, by kind: gates' ``weight`` and ``bias``, ``norm``, and kinds of convolutions.

    Args:
        state: The whole network.
        kinds: Of ``KINDS``.
    """
    blocks = gated_blocks(state)
    norms = [key.removesuffix(".running_var") for key in state if key.endswith(".running_var")]
    keys = {
        "weight": [f"{block}.se.weight" for block in blocks],
        "bias": [f"{block}.se.bias" for block in blocks],
        "norm": [f"{norm}.{part}" for norm in norms for part in ("weight", "bias")],
    }
    return keys | {kind: [f"{block}.{KINDS[kind]}.weight" for block in blocks] for kind in kinds}


def fold(state: State, dtype: torch.dtype) -> Folded:
    """Weight and bias of every convolution with its batch norm, computed in float32 and then cast."""
    pairs = {"conv_stem": "bn1", "conv_head": "bn2", "blocks.0.0.conv_dw": "blocks.0.0.bn1"}
    pairs["blocks.0.0.conv_pw"] = "blocks.0.0.bn2"
    for block in gated_blocks(state):
        for conv, norm in (("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3")):
            pairs[f"{block}.{conv}"] = f"{block}.{norm}"
    folded = {}
    for conv, norm in pairs.items():
        scale = state[f"{norm}.weight"] * (state[f"{norm}.running_var"] + EPS).rsqrt()
        bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
        weight = state[f"{conv}.weight"] * scale.view(-1, 1, 1, 1)
        folded[conv] = weight.to(dtype), bias.to(dtype)
    return folded


def forward(
    state: State, folded: Folded, images: Tensor, *, inactive: bool = False, flat: bool = False
) -> Outputs:
    """Runs the network.

    Args:
        state: Gates and classifier are read from it.
        folded: Of the same state.
        images: (N, 3, H, W), normalized, in the dtype of the convolutions.
        inactive: Every mask is the constant of an inactive gate; the similarity is not computed.
        flat: Every mask is replaced by its mean over space.
    """
    seen = Outputs(images, images)
    x = F.relu6(_conv(images, folded["conv_stem"], 2))
    x = F.relu6(_conv(x, folded["blocks.0.0.conv_dw"], 1, depthwise=True))
    x = _conv(x, folded["blocks.0.0.conv_pw"], 1)
    for block in gated_blocks(state):
        inner = F.relu6(_conv(x, folded[f"{block}.conv_pw"], 1))
        stride = 2 if block in STRIDED else 1
        inner = F.relu6(_conv(inner, folded[f"{block}.conv_dw"], stride, depthwise=True))
        if inactive:
            inner = inner * INACTIVE_MASK
        else:
            weight, bias = state[f"{block}.se.weight"], state[f"{block}.se.bias"]
            mask = torch.sigmoid(group_similarity(inner, weight.shape[1]) * weight + bias)
            seen.masks[block] = mask
            inner = masked(inner, mask.mean((2, 3), keepdim=True).expand_as(mask) if flat else mask)
        out = _conv(inner, folded[f"{block}.conv_pwl"], 1)
        x = out + x if out.shape == x.shape else out
        seen.features[block] = x
    x = F.relu6(_conv(x, folded["conv_head"], 1))
    seen.pooled = x.float().mean((2, 3))
    seen.logits = F.linear(seen.pooled, state["classifier.weight"], state["classifier.bias"])
    return seen


def _conv(x: Tensor, folded: tuple[Tensor, Tensor], stride: int, *, depthwise: bool = False) -> Tensor:
    weight, bias = folded
    kernel = weight.shape[2]
    padding = (kernel - 1) // 2
    if stride > 1:  # TensorFlow's padding, which is not symmetric on maps of even size
        height, width = (_missing(extent, kernel, stride) for extent in x.shape[2:])
        x = F.pad(x, [width // 2, width - width // 2, height // 2, height - height // 2])
        padding = 0
    if not depthwise:
        return F.conv2d(x, weight, bias, stride, padding)
    if x.device.type == "cpu":  # where the gradient of a depthwise bfloat16 weight takes five times as long
        out = F.conv2d(x.float(), weight.float(), bias.float(), stride, padding, groups=weight.shape[0])
        return out.to(x.dtype)
    return F.conv2d(x, weight, bias, stride, padding, groups=weight.shape[0])


def _missing(extent: int, kernel: int, stride: int) -> int:
    return max((-(-extent // stride) - 1) * stride + kernel - extent, 0)
