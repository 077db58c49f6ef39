"""What a student learns from: images, and teachers if there are any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sge.images.framing import Preprocess
from sge.training.dataset import TrainingSet
from sge.training.distributed import DistributedContext
from sge.training.loader import Sample, TargetGrid
from sge.training.losses import Targets, correlations, matched
from sge.training.student import Seen
from sge.training.teacher_maps import TeacherMaps
from sge.training.teachers import CropTeacher

GATHERING_STEPS = 40
"""Steps over which correlations are gathered before groups are matched."""


@dataclass
class Supervision:
    """What is learned from, and from whom."""

    train: TrainingSet
    dev: TrainingSet
    maps: TeacherMaps | None = None
    grids: dict[str, TargetGrid] = field(default_factory=dict)
    teacher: CropTeacher | None = None
    about: dict[str, Any] = field(default_factory=dict)
    """What else the training depends on, for the check on resuming."""

    def wanted(self, sample: Sample, target: Tensor, images: Tensor, preprocess: Preprocess) -> Targets:
        """What one batch should give.

        Args:
            sample: The batch as it was loaded.
            target: Its classes, perhaps mixed; on the student's device.
            images: Normalised, on the student's device.
            preprocess: How they were normalised.
        """
        device = images.device
        if sample.logits is not None:
            maps = {name: one.to(device) for name, one in (sample.similarity or {}).items()}
            return Targets(target, sample.logits.to(device), None, maps or None)
        if self.teacher is None:
            return Targets(target)
        answers, features = self.teacher(images, preprocess)
        return Targets(target, answers, features)


class GroupMatching:
    """Which of the teacher's groups each group follows: found once, from correlations over some steps.

    Args:
        start: The step from which correlations are gathered.
        team: The processes, whose correlations are averaged.
    """

    def __init__(self, start: int, team: DistributedContext) -> None:
        self.start, self.team = start, team
        self.matches: dict[str, Tensor] = {}
        """By block: (G,), the teacher's group or -1; empty until they are found."""
        self._gathered: dict[str, Tensor] = {}

    def see(self, seen: Seen, wanted: Targets, step: int) -> None:
        """Takes in one batch; does nothing before ``start`` and after the groups are matched."""
        if wanted.similarity is None or self.matches or step < self.start:
            return
        for block, maps in wanted.similarity.items():
            found = correlations(seen.similarity[block].detach(), maps)
            self._gathered[block] = self._gathered.get(block, torch.zeros_like(found)) + found
        if step >= self.start + GATHERING_STEPS:
            self.matches = {block: matched(self.team.mean(found)) for block, found in self._gathered.items()}
            self._gathered = {}

    def state(self) -> dict[str, dict[str, Tensor]]:
        """For the training's state on disk."""
        return {"matches": self.matches, "gathered": self._gathered}

    def load(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """What ``state`` gave."""
        to = self.team.device
        self.matches = {name: one.to(to) for name, one in state["matches"].items()}
        self._gathered = {name: one.to(to) for name, one in state["gathered"].items()}
