"""One network of the comparison of attention modules: its optimizer, its averaged weights, and a step of its training."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models.resnet import BasicBlock, Bottleneck

from sge.nn import build_resnet
from sge.training.config import TrainConfig
from sge.training.optim import optimizer_for

WINDOW = 0.05
"""Length of the average of the weights, as a fraction of the steps."""
WARMUP = 0.05
CLIP = 5.0


@dataclass(frozen=True)
class ComparisonConfig:
    """Everything that decides the comparison, beside the images and the seed."""

    depth: int = 18
    epochs: int = 30
    batch: int = 128
    size: int = 96
    """Side of the crops of the training, in pixels."""
    eval_size: int = 128
    """Side of the center crops that are measured, in pixels."""
    scale: tuple[float, float] = (0.3, 1.0)
    """Smallest and largest area of a crop, as fractions of the image's area."""
    lr: float = 1.5e-3
    weight_decay: float = 0.05
    gate_lr_scale: float = 5.0
    label_smoothing: float = 0.1
    norm_batches: int = 40
    """Batches of the training from which the statistics of the averaged network's batch norms are measured."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self) | {"scale": list(self.scale)}


class Contestant:
    """A network with one kind of attention.

    Args:
        kind: An attention module of ``build_resnet``.
        config: Decides the network and its training.
        classes: Number of classes.
        seed: Decides the initial weights.
        device: Where it is trained.
    """

    def __init__(
        self, kind: str, config: ComparisonConfig, classes: int, seed: int, device: torch.device
    ) -> None:
        self.kind, self.config, self.device = kind, config, device
        self.network = _initial(kind, config.depth, classes, seed).to(device)
        self.averaged = _initial(kind, config.depth, classes, seed).to(device).requires_grad_(False)
        self._parameters: list[Tensor] = list(self.network.parameters())
        self._average: list[Tensor] = list(self.averaged.parameters())
        self.optimizer = optimizer_for(
            self.network,
            TrainConfig(
                optimizer="adamw",
                lr=config.lr,
                weight_decay=config.weight_decay,
                gate_lr_scale=config.gate_lr_scale,
            ),
        )
        self._maxima = [float(group["lr"]) for group in self.optimizer.param_groups]
        self.network.train()

    def step(self, images: Tensor, targets: Tensor, step: int, steps: int) -> Tensor:
        """Trains on a batch.

        Args:
            images: (B, 3, s, s), normalized.
            targets: (B,), numbers of classes.
            step: Number of steps before this one.
            steps: Of the whole training.

        Returns:
            The loss, on the device.
        """
        for group, maximum in zip(self.optimizer.param_groups, self._maxima, strict=True):
            group["lr"] = maximum * learning_rate_factor(step / steps)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16):
            logits = self.network(images)
        loss = nn.functional.cross_entropy(
            logits.float(), targets, label_smoothing=self.config.label_smoothing
        )
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, CLIP)
        self.optimizer.step()
        keep = min(1 - 1 / max(WINDOW * steps, 2.0), (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(self._average, self._parameters, 1 - keep)
        return loss.detach()

    @torch.no_grad()
    def measure_norms(self, batches: Iterable[Tensor]) -> None:
        """Replaces the statistics of the averaged network's batch norms by their means over batches.

        Args:
            batches: Normalized images, each (B, 3, s, s).
        """
        norms = [module for module in self.averaged.modules() if isinstance(module, _BatchNorm)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over all batches
        self.averaged.train()
        for images in batches:
            self.averaged(images)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        self.averaged.eval()

    @torch.no_grad()
    def correct(self, batches: Iterable[Tensor], targets: Tensor) -> Tensor:
        """Whether the averaged network recognizes each image, (N,) bool on the CPU; after ``measure_norms``."""
        predicted = torch.cat([self.averaged(images).argmax(1) for images in batches])
        return (predicted == targets).cpu()


def learning_rate_factor(done: float) -> float:
    """The learning rate as a fraction of its maximum: a linear warmup times a half cosine.

    Args:
        done: Fraction of the training that is over, 0 to 1.
    """
    return min(1.0, done / WARMUP) * 0.5 * (1 + math.cos(math.pi * done))


def _initial(kind: str, depth: int, classes: int, seed: int) -> nn.Module:
    """A network whose blocks begin as identities, in channels-last order."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1000 + seed)
        network: nn.Module = build_resnet(depth, kind, num_classes=classes)
    for module in network.modules():
        if isinstance(module, Bottleneck):
            nn.init.zeros_(module.bn3.weight)
        elif isinstance(module, BasicBlock):
            nn.init.zeros_(module.bn2.weight)
    return network.to(memory_format=torch.channels_last)
