"""Teaches inactive gates to act, without labels.

A network with inactive gates already gives the outputs it is asked for, so distillation alone moves nothing.
Here a price is put on masks that are the same everywhere: the gates must open and close, and the gates and the
batch norms' affine parts learn to do so with the answers of the inactive network.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sge.errors import CaptureError, CheckpointError, ChoiceError, UnknownBlockError
from sge.files import write_atomically
from sge.images.framing import Preprocess
from sge.models.checkpoint import digest
from sge.nn.blocks import sge_blocks
from sge.training.crops import crops
from sge.training.gate_tuning_config import GateTuningConfig, Report
from sge.training.mask_losses import (
    answers_loss,
    features_loss,
    flatness_loss,
    frozen_copy,
    openness_loss,
    watch,
)

START = 0.1
"""Weight of a inactive gate at the first step: at 0 no gradient tells it to act."""


Progress = Callable[[Report], None]


def tune_gates(
    network: nn.Module,
    images: Sequence[Tensor],
    *,
    steps: int = 800,
    seed: int = 0,
    recipe: GateTuningConfig | None = None,
    teacher: nn.Module | None = None,
    preprocess: Preprocess | None = None,
    state_file: Path | None = None,
    save_every: int = 25,
    progress: Progress | None = None,
) -> nn.Module:
    """Lets inactive gates act while the network keeps its answers; no labels are needed.

    Gates (weights held at 0 or above, so that a mask stays open where
    the group's channels agree) and batch norms' affine parts learn; everything else, running statistics
    too, stays. The loss is the divergence of the answers from the teacher's, plus what the recipe asks for
    the blocks' outputs and for masks that hardly vary over space.

    On one CPU thread, network, images and recipe decide the result bit for bit, interrupted or not.

    Args:
        network: With SGE in it, gates inactive; changed in place.
        images: Each (3, H, W), uint8 RGB or already normalised floats; ``ImageStore`` is one.
        steps: Number of steps, unless ``recipe`` says it.
        seed: Decides the crops, unless ``recipe`` says it.
        recipe: Everything else about the training.
        teacher: Whose answers are kept; by default the network as it comes. To go on with a network that is
            already awake, give its inactive self.
        preprocess: Normalisation of uint8 images; by default ImageNet's usual one.
        state_file: Where the training is kept while it runs; if the file is there, it goes on from it.
        save_every: Steps between two writes of the state file; it is also written at the end.
        progress: Called after every step.

    Returns:
        The same network, in eval mode.

    Raises:
        CaptureError: the network carries no SGE.
        UnknownBlockError: the recipe names a block that carries none.
        ChoiceError: no images, or a setting out of range.
        CheckpointError: the state file belongs to another training, or is damaged.
    """
    recipe = recipe or GateTuningConfig(steps=steps, seed=seed)
    if not len(images):
        raise ChoiceError("There is no image to learn from. Give some hundred, of what the network knows.")
    training = _Training(
        network, frozen_copy(teacher or network), recipe, preprocess or Preprocess(), len(images)
    )
    if state_file is not None and state_file.exists():
        training.restore(state_file)
    with _learning(network, training.learned):
        for _ in training.run(images, progress):
            if state_file is not None and (training.step % save_every == 0 or training.step == recipe.steps):
                training.save(state_file)
    return network


def learned_parameters(network: nn.Module) -> dict[str, dict[str, nn.Parameter]]:
    """What may change, by kind (``weight``, ``bias`` of gates, ``norm``) and state-dict key.

    Raises:
        CaptureError: the network carries no SGE.
    """
    paths = {id(parameter): key for key, parameter in network.named_parameters()}
    gates = sge_blocks(network).values()
    if not gates:
        raise CaptureError(
            f"{type(network).__name__} has no SGE whose gates could awake. Give it some with sge.insert_sge."
        )
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.affine]
    return {
        "weight": {paths[id(gate.weight)]: gate.weight for gate in gates},
        "bias": {paths[id(gate.bias)]: gate.bias for gate in gates},
        "norm": {paths[id(p)]: p for norm in norms for p in (norm.weight, norm.bias)},
    }


@contextmanager
def _learning(network: nn.Module, learned: dict[str, dict[str, nn.Parameter]]) -> Iterator[None]:
    """Gradients for what is learned only; eval mode: norms keep their statistics, which the teacher has too."""
    wanted = {parameter: parameter.requires_grad for parameter in network.parameters()}
    network.eval().requires_grad_(False)
    try:
        for group in learned.values():
            for parameter in group.values():
                parameter.requires_grad_(True)
        yield
    finally:
        for parameter, flag in wanted.items():
            parameter.requires_grad_(flag)
            parameter.grad = None


@dataclass
class _Training:
    network: nn.Module
    teacher: nn.Module
    recipe: GateTuningConfig
    preprocess: Preprocess
    images: int
    step: int = 0
    learned: dict[str, dict[str, nn.Parameter]] = field(init=False)
    optimizer: torch.optim.Adam = field(init=False)

    def __post_init__(self) -> None:
        self.learned = learned_parameters(self.network)
        known = list(sge_blocks(self.network))
        self.acting = known if self.recipe.acting is None else self.recipe.acting
        if unknown := [name for name in self.acting if name not in known]:
            raise UnknownBlockError(f"No block {', '.join(unknown)}; there are: {', '.join(known)}.")
        rates = {
            "weight": self.recipe.weight_rate,
            "bias": self.recipe.bias_rate,
            "norm": self.recipe.norm_rate,
        }
        self.optimizer = torch.optim.Adam(
            [{"params": list(self.learned[kind].values()), "lr": rate} for kind, rate in rates.items()]
        )
        self.rates = list(rates.values())

    def _nudge(self) -> None:
        with torch.no_grad():
            for weight in self.learned["weight"].values():
                if not bool(weight.any()):
                    weight.fill_(START)

    def run(self, images: Sequence[Tensor], progress: Progress | None) -> Iterator[None]:
        began, first = time.monotonic(), self.step
        if first == 0:
            self._nudge()
        with watch(self.network) as seen, watch(self.teacher) as wanted:
            while self.step < self.recipe.steps:
                size = self.recipe.size_at(self.step)
                batch = crops(
                    images, self.preprocess, self.recipe.batch, size, self.recipe.seed, self.step
                ).contiguous(memory_format=torch.channels_last)
                with torch.no_grad():
                    target = self.teacher(batch)
                logits = self.network(batch)
                masks = [seen.masks[name] for name in self.acting]
                losses = {
                    "answers": answers_loss(logits, target),
                    "features": features_loss(seen.features, wanted.features),
                    "flat": flatness_loss(masks, self.recipe.target_mask_std),
                    "open": openness_loss(masks),
                }
                self._learn(losses)
                self.step += 1
                if progress is not None:
                    progress(self._report(losses, time.monotonic() - began, self.step - first))
                yield

    def _learn(self, losses: dict[str, Tensor]) -> None:
        recipe = self.recipe
        prices = {
            "answers": 1.0,
            "features": recipe.feature_weight,
            "flat": recipe.flatness_weight,
            "open": recipe.openness_weight,
        }
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * recipe.rate_at(self.step)
        self.optimizer.zero_grad()
        torch.stack([price * losses[name] for name, price in prices.items() if price]).sum().backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        with torch.no_grad():
            for weight in self.learned["weight"].values():
                weight.clamp_(min=0)

    def _report(self, losses: dict[str, Tensor], seconds: float, done: int) -> Report:
        left = (self.recipe.steps - self.step) * seconds / done
        values = {name: float(loss.detach()) for name, loss in losses.items()}
        return Report(self.step, self.recipe.steps, done * self.recipe.batch / seconds, left, values)

    def save(self, path: Path) -> None:
        """Everything that the next step depends on; the file appears whole or not at all."""
        file = io.BytesIO()
        learned = {key: p.detach() for group in self.learned.values() for key, p in group.items()}
        torch.save(
            {
                "recipe": self.recipe.to_dict(),
                "teacher": fingerprint(self.teacher),
                "images": self.images,
                "step": self.step,
                "learned": learned,
                "optimizer": self.optimizer.state_dict(),
            },
            file,
        )
        write_atomically(path, file.getvalue())

    def restore(self, path: Path) -> None:
        """Back to where ``save`` was.

        Raises:
            CheckpointError: another training's file, or a damaged one; nothing is changed then.
        """
        again = f"Name another file, or delete {path.name} to begin anew."
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            recipe, teacher, step = saved["recipe"], saved["teacher"], int(saved["step"])
            learned, optimizer, images = saved["learned"], saved["optimizer"], saved["images"]
        except Exception as error:  # torch raises by the byte that is bad
            raise CheckpointError(f"{path.name} is no state of a training, or damaged. {again}") from error
        if recipe != self.recipe.to_dict():
            other = ", ".join(key for key, value in self.recipe.to_dict().items() if recipe.get(key) != value)
            raise CheckpointError(f"{path.name} is of a training with another recipe ({other}). {again}")
        if images != self.images:
            raise CheckpointError(
                f"{path.name} is of a training on {images} images, not {self.images}. {again}"
            )
        if teacher != fingerprint(self.teacher):
            raise CheckpointError(f"{path.name} is of a training of another network. {again}")
        with torch.no_grad():
            for group in self.learned.values():
                for key, parameter in group.items():
                    parameter.copy_(learned[key])
        self.optimizer.load_state_dict(optimizer)
        self.step = step


def fingerprint(network: nn.Module) -> str:
    """Hash of all of a network's numbers."""
    return digest(network.state_dict(), {})
