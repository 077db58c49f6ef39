"""The functions that the benchmarks compare."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import resnet50

from sge.analysis import to_bytes
from sge.images import decode, frame
from sge.lens import Lens
from sge.nn import SGE_RESNETS, MaskCapture, SpatialGroupEnhance

Contenders = dict[str, Callable[[], object]]
"""Name to a function that runs once."""


class StepByStep(nn.Module):
    """SGE written as the paper's equations one after the other, each with a tensor of its own.

    Args:
        like: The module whose parameters it shares.
    """

    def __init__(self, like: SpatialGroupEnhance) -> None:
        super().__init__()
        self.groups, self.eps = like.groups, like.eps
        self.weight, self.bias = like.weight, like.bias

    def forward(self, x: Tensor) -> Tensor:
        """Features times the masks of their groups, (N, C, H, W) as the input."""
        n, channels, height, width = x.shape
        grouped = x.reshape(n * self.groups, channels // self.groups, height, width)
        products = (grouped * grouped.mean((2, 3), keepdim=True)).sum(1, keepdim=True)
        flat = products.reshape(n * self.groups, -1)
        centered = flat - flat.mean(1, keepdim=True)
        t = (centered / (centered.std(1, keepdim=True) + self.eps)).reshape(n, self.groups, height, width)
        mask = torch.sigmoid(t * self.weight + self.bias)
        return (grouped * mask.reshape(n * self.groups, 1, height, width)).reshape(x.shape)


def networks(batch: int, channels_last: bool, device: str = "cpu") -> Contenders:
    """Forward passes of ResNet-50: plain, with our SGE module, and with SGE step by step; 224 px, float32.

    Args:
        batch: Number of images.
        channels_last: Memory format of networks and images.
        device: Name of a torch device.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    ours, steps = SGE_RESNETS["sge_resnet50"](), SGE_RESNETS["sge_resnet50"]()
    for block in list(steps.modules()):
        if isinstance(getattr(block, "sge", None), SpatialGroupEnhance):
            block.sge = StepByStep(block.sge)
    x = torch.randn(batch, 3, 224, 224, device=device).to(memory_format=layout)
    built = {"plain ResNet-50": resnet50(), "SGE, this module": ours, "SGE, step by step": steps}
    runs: Contenders = {
        name: partial(_infer, network.to(device, memory_format=layout).eval(), x)
        for name, network in built.items()
    }
    return runs | {"SGE, this module, every map read": partial(_captured, ours, x)}


def _captured(network: nn.Module, x: Tensor) -> None:
    with MaskCapture(network):
        _infer(network, x)


def _infer(network: nn.Module, x: Tensor) -> Tensor:
    with torch.inference_mode():
        return network(x)  # type: ignore[no-any-return]


def stages(lens: Lens, side: int = 1024) -> Contenders:
    """The stages from one JPEG to an analysis; the first one is what the others are compared with.

    Args:
        lens: The lens that analyzes.
        side: Height of the JPEG in pixels; its width is 4/3 of that.
    """
    noise = np.random.default_rng(0).integers(0, 255, (side // 16, side // 12, 3), np.uint8)
    image = Image.fromarray(noise).resize((side * 4 // 3, side), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    data = buffer.getvalue()
    decoded = decode(data)
    framed = frame(decoded, lens.model.preprocess)
    x = torch.from_numpy(framed.array)[None].to(lens.device)
    analysis = lens.analyze_frames([framed])[0]

    return {
        "forward pass alone": partial(_infer, lens.network, x),
        "forward pass with every mask read": partial(_captured, lens.network, x),
        "decode": lambda: decode(data),
        "frame": lambda: frame(decoded, lens.model.preprocess),
        "analyze: decode to Analysis": lambda: lens.analyze(data),
        "write JSON with 8-bit atlases": lambda: to_bytes(analysis, ".json"),
        "write safetensors": lambda: to_bytes(analysis, ".safetensors"),
    }
