"""The training loop: from a configuration and images to weights, interrupted or not."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sge.datasets.batching import normalize_batch
from sge.devices import autocast
from sge.errors import TrainingError
from sge.models.checkpoint import digest
from sge.training.augment import mixed
from sge.training.config import TrainConfig
from sge.training.distributed import DistributedContext
from sge.training.events import EpochReport, StepReport
from sge.training.gates import gate_facts, gates_above_zero
from sge.training.initial_model import Start
from sge.training.loader import Crops, Sample, batches, derived_seed
from sge.training.losses import losses
from sge.training.optim import optimizer_for, schedule_for
from sge.training.state import check_same, load_state, save_state
from sge.training.student import Student
from sge.training.supervision import GroupMatching, Supervision
from sge.training.validate import accuracy


class Trainer:
    """Trains a network; the same configuration, images and start give the same weights, interrupted or not.

    Args:
        start: The network to be trained, and its input.
        lesson: Images and teachers.
        config: The recipe.
        folder: Where the state is kept.
        team: The processes.
        save_every: Steps between two writes of the state; also after each epoch.
        workers: Processes that prepare crops.
    """

    def __init__(
        self,
        start: Start,
        lesson: Supervision,
        config: TrainConfig,
        folder: Path,
        team: DistributedContext,
        *,
        save_every: int = 200,
        workers: int = 0,
    ) -> None:
        self.config, self.lesson, self.folder, self.team = config, lesson, folder, team
        self.save_every, self.workers = save_every, workers
        self.about = {
            "recipe": config.to_dict(),
            "start": digest(start.network.state_dict(), {}),
            "images": len(lesson.train.targets),
            "classes": lesson.train.classes,
        } | lesson.about
        self.preprocess = start.preprocess
        network = start.network.to(team.device).to(memory_format=torch.channels_last)
        # Before the student hangs its hooks into the network: the copy must not carry them.
        self.average = (
            AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.ema), use_buffers=True)  # type: ignore[no-untyped-call]
            if config.ema
            else None
        )
        features = lesson.teacher.features if lesson.teacher and config.feature_weight else 0
        self.student = Student(network, features).to(team.device)
        self.optimizer = optimizer_for(self.student, config)
        self.per_epoch = _steps_an_epoch(config, len(lesson.train.targets), team.world)
        self.steps = self.per_epoch * config.epochs
        self.schedule = schedule_for(self.optimizer, config, self.steps)
        self.scaler = torch.amp.GradScaler(team.device.type, enabled=config.amp == "float16")
        self.wrapped = team.wrapped(self.student)
        self.crops = Crops(lesson.train, config, lesson.maps, lesson.grids)
        self.step, self.best = 0, -1.0
        self.best_state: dict[str, Tensor] = {}
        self.matching = GroupMatching(round(config.match_after * self.steps), team)
        self.masks: dict[str, Tensor] = {}
        """Of the last part of a batch that was learned from."""
        self.broken = 0
        """Images that could not be read when they were due; others stood for them."""

    @property
    def network(self) -> nn.Module:
        """The weights that count: averaged ones where the recipe averages."""
        return self.average.module if self.average is not None else self.student.network

    def run(
        self,
        on_step: Callable[[StepReport], None] | None = None,
        on_epoch: Callable[[EpochReport], None] | None = None,
    ) -> None:
        """Trains to the end, from where the folder's state stands.

        Raises:
            CheckpointError: the folder holds another training, or only damaged states.
            TrainingError: the loss is no longer a number.
        """
        self.restore()
        began, first = time.monotonic(), self.step
        while self.step < self.steps:
            epoch = self.step // self.per_epoch
            started, before = time.monotonic(), self.step
            total = 0.0
            for parts in self._epoch(epoch):
                report = self._report(epoch, parts, time.monotonic() - began, self.step - first)
                total += report.loss
                if on_step is not None:
                    on_step(report)
                if self.step % self.save_every == 0 and self.step % self.per_epoch:
                    self.save()
            mean = total / max(self.step - before, 1)
            finished = self._finished(epoch, mean, time.monotonic() - started)
            if on_epoch is not None:
                on_epoch(finished)

    def _report(self, epoch: int, parts: dict[str, Tensor], seconds: float, done: int) -> StepReport:
        values = {name: float(value) for name, value in parts.items()}
        loss = sum(values.values())
        if not math.isfinite(loss):
            raise TrainingError(
                f"The loss is {loss} at step {self.step}. Choose a smaller --rate, or --clip 1, and another --out."
            )
        return StepReport(
            step=self.step,
            steps=self.steps,
            epoch=epoch,
            loss=loss,
            parts=values,
            rate=float(self.schedule.get_last_lr()[0]),
            images_per_second=done * self.config.batch / seconds,
            seconds_left=(self.steps - self.step) * seconds / done,
        )

    def _epoch(self, epoch: int) -> Iterator[dict[str, Tensor]]:
        self.student.train()
        parts = self.config.accumulate
        loader = batches(
            self.crops,
            epoch,
            rank=self.team.rank,
            world=self.team.world,
            skip=self.step - epoch * self.per_epoch,
            workers=self.workers,
        )
        while True:
            sums: dict[str, Tensor] = {}
            for part in range(parts):
                sample = next(loader, None)
                if sample is None:
                    return
                self.broken += int(sample.broken.sum())
                for name, value in self._learn(sample, part).items():
                    sums[name] = sums.get(name, torch.zeros(())) + value.detach().cpu() / parts
            self._apply()
            yield sums

    def _learn(self, sample: Sample, part: int) -> dict[str, Tensor]:
        device = self.team.device
        images = normalize_batch(sample.image.to(device), self.preprocess)
        seed = derived_seed(self.config.seed, self.step, self.team.rank, part)
        images, target = mixed(
            images, sample.target.to(device), len(self.lesson.train.classes), self.config, seed
        )
        with autocast(self.team.device, self.config.precision):
            wanted = self.lesson.wanted(sample, target, images, self.preprocess)
        last = part == self.config.accumulate - 1
        with nullcontext() if last or self.team.world == 1 else self.wrapped.no_sync():  # type: ignore[operator]
            with autocast(self.team.device, self.config.precision):
                seen = self.wrapped(images)
            self.matching.see(seen, wanted, self.step)
            values = losses(seen, wanted, self.config, self.matching.matches)
            loss = torch.stack(list(values.values())).sum() / self.config.accumulate
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.masks = {name: mask.detach() for name, mask in seen.masks.items()}
        return values

    def _apply(self) -> None:
        self.scaler.unscale_(self.optimizer)
        if self.config.clip:
            nn.utils.clip_grad_norm_(self.student.parameters(), self.config.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.schedule.step()
        if self.config.positive_gates:
            gates_above_zero(self.student.network)
        if self.average is not None:
            self.average.update_parameters(self.student.network)
        self.step += 1

    def _finished(self, epoch: int, loss: float, seconds: float) -> EpochReport:
        self.team.average_statistics(self.student.network)
        if self.average is not None:
            self.team.average_statistics(self.average.module)
        top1 = accuracy(
            self.network, self.lesson.dev, self.preprocess, self.team.device, self.config.precision
        )
        if top1 > self.best:
            self.best = top1
            self.best_state = {k: v.detach().cpu().clone() for k, v in self.network.state_dict().items()}
        self.save()
        gates = gate_facts(self.student.network, self.masks)
        return EpochReport(epoch, top1, self.best, loss, seconds, gates, self.broken)

    def save(self) -> None:
        """Writes everything that the next step depends on; the first process does."""
        if self.team.first:
            save_state(
                self.folder,
                {
                    "about": self.about,
                    "step": self.step,
                    "student": self.student.state_dict(),
                    "average": self.average.state_dict() if self.average is not None else {},
                    "optimizer": self.optimizer.state_dict(),
                    "schedule": self.schedule.state_dict(),
                    "scaler": self.scaler.state_dict(),
                    "best": self.best,
                    "best_state": self.best_state,
                    "matching": self.matching.state(),
                },
            )
        self.team.wait()

    def restore(self) -> None:
        """Back to where ``save`` was, if it ever was.

        Raises:
            CheckpointError: the folder holds another training, or only damaged states.
        """
        state = load_state(self.folder)
        if state is None:
            return
        check_same(state, self.about, self.folder)
        self.student.load_state_dict(state["student"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.best, self.best_state = state["step"], state["best"], state["best_state"]
        self.matching.load(state["matching"])


def _steps_an_epoch(config: TrainConfig, images: int, processes: int) -> int:
    if images < config.batch:
        raise TrainingError(
            f"{images} images are fewer than a batch of {config.batch}. Choose a smaller --batch."
        )
    if config.batch % (config.accumulate * processes):
        raise TrainingError(
            f"A batch of {config.batch} cannot be shared by {processes} processes in {config.accumulate} parts each. "
            "Choose a --batch that can."
        )
    return images // config.batch
