"""What the benchmarks compare."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import resnet50

from sge.analysis.files import to_bytes
from sge.images.decode import decode
from sge.images.framing import frame
from sge.lens.lens import Lens
from sge.nn import SGE_RESNETS
from sge.nn.capture import MaskCapture
from sge.nn.module import SpatialGroupEnhance

Contenders = dict[str, Callable[[], object]]


class StepByStep(nn.Module):
    """The paper's equations one after the other, each with its own tensor: the usual way to write them."""

    def __init__(self, like: SpatialGroupEnhance) -> None:
        super().__init__()
        self.groups, self.eps = like.groups, like.eps
        self.weight, self.bias = like.weight, like.bias

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in and out."""
        n, channels, height, width = x.shape
        parts = x.reshape(n * self.groups, channels // self.groups, height, width)
        agreement = (parts * parts.mean((2, 3), keepdim=True)).sum(1, keepdim=True)
        flat = agreement.reshape(n * self.groups, -1)
        centred = flat - flat.mean(1, keepdim=True)
        t = (centred / (centred.std(1, keepdim=True) + self.eps)).reshape(n, self.groups, height, width)
        mask = torch.sigmoid(t * self.weight + self.bias)
        return (parts * mask.reshape(n * self.groups, 1, height, width)).reshape(x.shape)


def networks(batch: int, channels_last: bool, device: str = "cpu") -> Contenders:
    """ResNet-50 plain, with our module, and with the module step by step; 224 px, float32."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    ours, steps = SGE_RESNETS["sge_resnet50"](), SGE_RESNETS["sge_resnet50"]()
    for block in list(steps.modules()):
        if isinstance(getattr(block, "sge", None), SpatialGroupEnhance):
            block.sge = StepByStep(block.sge)
    x = torch.randn(batch, 3, 224, 224, device=device).to(memory_format=layout)
    built = {"plain ResNet-50": resnet50(), "SGE, this module": ours, "SGE, step by step": steps}
    return {
        name: partial(_infer, network.to(device, memory_format=layout).eval(), x)
        for name, network in built.items()
    }


def _infer(network: nn.Module, x: Tensor) -> Tensor:
    with torch.inference_mode():
        return network(x)  # type: ignore[no-any-return]


def stages(lens: Lens, side: int = 1024) -> Contenders:
    """The way of one JPEG through a lens, stage by stage; the first is what the others are compared with."""
    noise = np.random.default_rng(0).integers(0, 255, (side // 16, side // 12, 3), np.uint8)
    image = Image.fromarray(noise).resize((side * 4 // 3, side), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    data = buffer.getvalue()
    decoded = decode(data)
    framed = frame(decoded, lens.model.preprocess)
    x = torch.from_numpy(framed.array)[None].to(lens.device)
    analysis = lens.analyze_frames([framed])[0]

    def captured() -> None:
        with MaskCapture(lens.network):
            _infer(lens.network, x)

    return {
        "forward pass alone": partial(_infer, lens.network, x),
        "forward pass with every mask read": captured,
        "decode": lambda: decode(data),
        "frame": lambda: frame(decoded, lens.model.preprocess),
        "analyze: decode to Analysis": lambda: lens.analyze(data),
        "write JSON with 8-bit atlases": lambda: to_bytes(analysis, ".json"),
        "write safetensors": lambda: to_bytes(analysis, ".safetensors"),
    }
