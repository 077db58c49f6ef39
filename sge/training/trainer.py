"""The training loop: from a network and its supervision to trained weights, resumable bit for bit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sge.devices import autocast
from sge.errors import TrainingError
from sge.models import digest
from sge.training.distributed import DistributedContext
from sge.training.events import EpochEvent, StepEvent
from sge.training.gates import clamp_gate_weights, gate_facts
from sge.training.loop_config import LoopConfig
from sge.training.losses import loss_terms
from sge.training.optim import schedule_for
from sge.training.state import StateFiles
from sge.training.student import Student
from sge.training.supervision import Batch, Supervision


class Trainer:
    """Trains a student; the same settings, data and initial weights give the same result, interrupted or not.

    Parameters whose ``requires_grad`` is False are left alone and are not saved with the state.

    Args:
        student: The network, on the device of ``distributed``.
        optimizer: Of the student's trainable parameters; its learning rates are the maxima.
        supervision: Batches with their targets, and the dev images.
        loop: The numbers of the loop.
        distributed: The processes.
        files: Where the state is kept; None: nowhere.
        settings: All settings, with which a saved state must agree.
        save_every: Steps between two writes of the state; it is also written after each epoch.
    """

    def __init__(
        self,
        student: Student,
        optimizer: torch.optim.Optimizer,
        supervision: Supervision,
        loop: LoopConfig,
        distributed: DistributedContext,
        files: StateFiles | None,
        settings: dict[str, Any],
        *,
        save_every: int = 200,
    ) -> None:
        self.student, self.optimizer, self.supervision = student, optimizer, supervision
        self.loop, self.distributed, self.files, self.save_every = loop, distributed, files, save_every
        self.identity = {
            "config": settings,
            "initial weights": digest(student.network.state_dict(), {}),
        } | supervision.identity
        self.average = (
            AveragedModel(student.network, multi_avg_fn=get_ema_multi_avg_fn(loop.ema), use_buffers=True)  # type: ignore[no-untyped-call]
            if loop.ema
            else None
        )
        self.steps = supervision.steps_per_epoch * loop.epochs
        self.schedule = schedule_for(optimizer, loop.schedule, loop.warmup, self.steps)
        self.scaler = torch.amp.GradScaler(distributed.device.type, enabled=loop.precision == "float16")
        self.step, self.best = 0, -1.0
        self.best_state: dict[str, Tensor] = {}
        self.unreadable = 0
        """Images of this run that could not be read and were replaced."""
        self._wrapped = distributed.wrap(student)
        self._masks: dict[str, Tensor] = {}  # of the most recent micro-batch

    @property
    def network(self) -> nn.Module:
        """The network that is evaluated and kept: the average of the weights if there is one."""
        return self.average.module if self.average is not None else self.student.network

    def run(
        self,
        on_step: Callable[[StepEvent], None] | None = None,
        on_epoch: Callable[[EpochEvent], None] | None = None,
    ) -> None:
        """Trains from the current step to the last one.

        Args:
            on_step: Called after each step, before its state is written.
            on_epoch: Called after each epoch, after its state is written; only when there are dev images.

        Raises:
            TrainingError: The loss is not finite.
        """
        started, first = time.monotonic(), self.step
        while self.step < self.steps:
            epoch, total, steps = self.step // self.supervision.steps_per_epoch, 0.0, 0
            epoch_started = time.monotonic()
            for terms in self._epoch(epoch):
                event = self._step_event(epoch, terms, time.monotonic() - started, self.step - first)
                total, steps = total + event.loss, steps + 1
                if on_step is not None:
                    on_step(event)
                if self.step % self.save_every == 0 and self.step % self.supervision.steps_per_epoch:
                    self.save()
            top1 = self._finish_epoch()
            if on_epoch is not None and top1 is not None:
                seconds = time.monotonic() - epoch_started
                gates = gate_facts(self.student.network, self._masks)
                on_epoch(EpochEvent(epoch, top1, self.best, total / steps, seconds, gates, self.unreadable))

    def _step_event(self, epoch: int, terms: dict[str, Tensor], seconds: float, done: int) -> StepEvent:
        values = {name: float(value) for name, value in terms.items()}
        loss = sum(values.values())
        if not math.isfinite(loss):
            raise TrainingError(
                f"The loss is {loss} at step {self.step}. Choose a smaller learning rate (--lr) or clip the gradient "
                "(--set clip=1), and another folder (--out)."
            )
        return StepEvent(
            step=self.step,
            steps=self.steps,
            epoch=epoch,
            loss=loss,
            terms=values,
            lr=float(self.schedule.get_last_lr()[0]),
            images_per_second=done * self.loop.batch / seconds,
            seconds_left=(self.steps - self.step) * seconds / done,
        )

    def _epoch(self, epoch: int) -> Iterator[dict[str, Tensor]]:
        """Yields the weighted loss terms of each step after the step is done."""
        self.student.train(not self.loop.frozen_statistics)
        skip = self.step - epoch * self.supervision.steps_per_epoch
        batches = self.supervision.batches(epoch, skip)
        for _ in range(skip, self.supervision.steps_per_epoch):
            sums: dict[str, Tensor] = {}
            for micro in range(self.loop.accumulate):
                batch = next(batches)
                self.unreadable += batch.unreadable
                for name, value in self._backward(batch, micro).items():
                    mean = value.detach().cpu() / self.loop.accumulate
                    sums[name] = sums.get(name, torch.zeros(())) + mean
            self._update()
            yield sums

    def _backward(self, batch: Batch, micro: int) -> dict[str, Tensor]:
        """Adds the gradient of one micro-batch; processes exchange gradients with the last one only."""
        device, loop = self.distributed.device, self.loop
        last = micro == loop.accumulate - 1
        with nullcontext() if last or self.distributed.world_size == 1 else self._wrapped.no_sync():  # type: ignore[operator]
            with autocast(device, loop.precision):
                output = self._wrapped(batch.images)
            matches = self.supervision.observe(output, batch.targets, self.step)
            terms = loss_terms(output, batch.targets, loop.losses, matches)
            loss = torch.stack(list(terms.values())).sum() / loop.accumulate
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._masks = {name: mask.detach() for name, mask in output.masks.items()}
        return terms

    def _update(self) -> None:
        self.scaler.unscale_(self.optimizer)
        if self.loop.clip:
            nn.utils.clip_grad_norm_(self.student.parameters(), self.loop.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.schedule.step()
        if self.loop.positive_gates:
            clamp_gate_weights(self.student.network)
        if self.average is not None:
            self.average.update_parameters(self.student.network)
        self.step += 1

    def _finish_epoch(self) -> float | None:
        """Measures the network, keeps its weights if they are the best so far, and writes the state."""
        self._average_statistics()
        top1 = self.supervision.validate(self.network)
        if top1 is not None and top1 > self.best:
            self.best = top1
            self.best_state = {k: v.detach().cpu().clone() for k, v in self.network.state_dict().items()}
        self.save()
        return top1

    def _average_statistics(self) -> None:
        """Averages over the processes what each of them estimates from its own crops."""
        if not self.loop.frozen_statistics:
            self.distributed.average_statistics(self.student.network)
            if self.average is not None:
                self.distributed.average_statistics(self.average.module)

    def save(self) -> None:
        """Writes everything on which the next step depends; only rank 0 writes.

        All processes have the same state then, so that they also have it when rank 0's is restored.
        """
        if self.files is not None:
            self._average_statistics()
            self.supervision.synchronize()
        if self.files is not None and self.distributed.is_main:
            self.files.save(
                {
                    "identity": self.identity,
                    "step": self.step,
                    "student": self._trained_state(),
                    "average": self.average.state_dict() if self.average is not None else {},
                    "optimizer": self.optimizer.state_dict(),
                    "schedule": self.schedule.state_dict(),
                    "scaler": self.scaler.state_dict(),
                    "best": self.best,
                    "best_state": self.best_state,
                    "supervision": self.supervision.state_dict(),
                }
            )
        self.distributed.wait()

    def restore(self) -> None:
        """Continues from the saved state, if there is one.

        Raises:
            CheckpointError: The state belongs to another training, or is damaged; nothing is changed then.
        """
        state = self.files.load() if self.files is not None else None
        if self.files is None or state is None:
            return
        self.files.check_same(state, self.identity)
        self.student.load_state_dict(state["student"], strict=False)
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        self.supervision.load_state_dict(state["supervision"])
        self.step, self.best, self.best_state = state["step"], state["best"], state["best_state"]

    def _trained_state(self) -> dict[str, Tensor]:
        frozen = {name for name, p in self.student.named_parameters() if not p.requires_grad}
        return {name: value for name, value in self.student.state_dict().items() if name not in frozen}
