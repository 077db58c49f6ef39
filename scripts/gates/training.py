"""One gate tuning, whose schedule follows the clock or a number of steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from scripts.gates.config import GateRun
from scripts.gates.images import Images, random_crops
from scripts.gates.lite0 import Folded, fold, forward, gated_blocks, learned_keys
from scripts.gates.losses import FlatnessLoss, distillation_losses, openness_loss, total

INITIAL_WEIGHT = 0.1
"""Weight of an inactive gate at the first step, as in ``sge.training.gate_tuning``."""
INTERIM = 0.6
"""Fraction of a run's time after which its result is written for the first time."""
LINE_SECONDS = 10
SAVE_EVERY = 25
"""Steps after which a run of steps saves its state."""
State = dict[str, Tensor]
Result = Callable[[State], None]
"""Takes the learned tensors of a run."""


@dataclass
class Machine:
    """What all runs share.

    Attributes:
        start: The network with inactive gates, float32.
        images: All images.
        dtype: Of the convolutions.
        channels_last: Memory format of the activations.
        stopped: Tells whether the program should end soon.
    """

    start: State
    images: Images
    dtype: torch.dtype
    channels_last: bool
    stopped: Callable[[], bool]

    def __post_init__(self) -> None:
        self.device = self.images.pixels.device
        self.teacher: Folded = fold(self.start, self.dtype)

    def sync(self) -> None:
        """Waits for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def inputs(self, crops: Tensor) -> Tensor:
        """Crops in dtype and memory format of the convolutions."""
        form = torch.channels_last if self.channels_last else torch.contiguous_format
        return crops.to(self.dtype, memory_format=form)


class GateTraining:
    """Trains the gates of one run.

    Args:
        machine: Device, images and teacher.
        run: The settings.
        learned: Tensors to begin with; None begins with inactive gates.
    """

    def __init__(self, machine: Machine, run: GateRun, learned: State | None = None) -> None:
        self.machine, self.run = machine, run
        self.state = dict(machine.start)
        self.blocks = gated_blocks(self.state)
        keys = learned_keys(self.state, list(run.kinds))
        self.learned: State = {}
        groups = []
        for kind, names in keys.items():
            values = [(learned or {}).get(name, machine.start[name]).clone() for name in names]
            if kind == "weight" and learned is None:
                for name, value in zip(names, values, strict=True):
                    value.fill_(0.0 if name.removesuffix(".se.weight") in run.weak_blocks else INITIAL_WEIGHT)
            self.learned |= dict(zip(names, [value.requires_grad_(True) for value in values], strict=True))
            rate = {"weight": run.weight_lr, "bias": run.bias_lr, "norm": run.norm_lr}.get(kind, run.conv_lr)
            groups.append({"params": values, "lr": rate, "initial_lr": rate})
        self.state |= self.learned
        self.gates = [self.learned[name] for name in keys["weight"]]
        self.average = {name: value.detach().clone() for name, value in self.learned.items()}
        self.optimizer = torch.optim.Adam(groups, fused=True)
        half = machine.dtype == torch.float16 and machine.device.type == "cuda"
        self.scaler = torch.amp.GradScaler(
            machine.device.type, init_scale=8192, growth_interval=500, enabled=half
        )
        self.generator = torch.Generator(machine.device).manual_seed(run.seed)
        self.flatness = FlatnessLoss(self.blocks, run, machine.device)
        self.rises = learned is None
        self.steps = self.seen = 0

    def train(self, seconds: float, write: Result, save: Callable[[], None] | None = None) -> None:
        """Trains, and writes the averaged tensors at ``INTERIM`` and at the end.

        Args:
            seconds: Time that there is. A run of steps takes the time that its steps take.
            write: Takes the averaged tensors.
            save: Called every ``SAVE_EVERY`` steps of a run of steps.
        """
        began = last = time.monotonic()
        written = self.run.steps > 0
        first = self.seen
        while (done := self._done(began, seconds)) < 1 and not self.machine.stopped():
            losses = self.step(done)
            if self.steps % 20 == 0:
                self.machine.sync()
            if save and self.run.steps and self.steps % SAVE_EVERY == 0:
                save()
            if time.monotonic() - last > LINE_SECONDS:
                last = time.monotonic()
                self._report(done, losses, (self.seen - first) / (last - began))
            if done > INTERIM and not written:
                write(self.average)
                written = True
        self.machine.sync()
        if not (self.run.steps and self.machine.stopped()):
            write(self.average)

    def _done(self, began: float, seconds: float) -> float:
        if self.run.steps:
            return self.steps / self.run.steps
        return (time.monotonic() - began) / seconds

    def _report(self, done: float, losses: dict[str, Tensor], speed: float) -> None:
        values = {name: round(float(loss.detach()), 4) for name, loss in losses.items()}
        print(
            f"{self.run.name} {done:.0%}, step {self.steps}, {speed:.1f} images/s, {values}",
            flush=True,
        )
        if not math.isfinite(sum(values.values())):
            raise ArithmeticError(f"{self.run.name}: the loss is not finite.")

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides the next steps."""
        return {
            "run": self.run.to_dict(),
            "learned": self.learned,
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "generator": self.generator.get_state(),
            "flatness": self.flatness.weights,
            "steps": self.steps,
            "seen": self.seen,
        }

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resumes from ``state_dict``.

        Raises:
            ValueError: The state belongs to a run of other settings.
        """
        if state["run"] != self.run.to_dict():
            raise ValueError(
                f"{self.run.name}: the saved state is of other settings. Remove it, or restore them."
            )
        for tensors, kept in ((self.learned, state["learned"]), (self.average, state["average"])):
            for name, value in tensors.items():
                value.copy_(kept[name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.generator.set_state(state["generator"].cpu())
        self.flatness.weights = state["flatness"]
        self.steps, self.seen = state["steps"], state["seen"]

    def step(self, done: float) -> dict[str, Tensor]:
        """One step.

        Args:
            done: Fraction of the time that is spent.

        Returns:
            The losses without their weights.
        """
        run, machine = self.run, self.machine
        size = run.sizes[self.steps % len(run.sizes)]
        batch = max(1, round(run.batch * (224 / size) ** 2)) if size > 224 else run.batch
        crops = machine.inputs(random_crops(machine.images, run.crops, batch, size, self.generator))
        with torch.no_grad():
            theirs = forward(machine.start, machine.teacher, crops, inactive=True)
        ours = forward(self.state, fold(self.state, machine.dtype), crops)
        height = min(1.0, 0.1 + 0.9 * done / run.ramp) if self.rises else 1.0
        losses = distillation_losses(ours, theirs)
        losses["flatness"] = self.flatness(ours.masks, height)
        losses["openness"] = openness_loss(ours.masks, [b for b in self.blocks if b not in run.weak_blocks])
        rate = min(1.0, (done + 1e-3) / run.warmup) * 0.5 * (1 + math.cos(math.pi * done))
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["initial_lr"]
        self.optimizer.zero_grad()
        self.scaler.scale(total(losses, run)).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.steps += 1
        self.seen += batch
        self._after_step()
        return losses

    @torch.no_grad()
    def _after_step(self) -> None:
        torch._foreach_clamp_min_(self.gates, 0.0)
        fraction = 9 / (10 + self.steps)  # the average forgets what lies before the last ninth of the steps
        torch._foreach_lerp_(list(self.average.values()), list(self.learned.values()), fraction)
