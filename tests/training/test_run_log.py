from __future__ import annotations

import csv
import sys

import pytest

from sge.errors import MissingPackageError
from sge.training.events import EpochEvent, StepEvent
from sge.training.gates import GateFacts
from sge.training.run_log import RunLog, require_tensorboard


def write_epoch(folder, epoch: int) -> None:
    step = StepEvent(20, 40, epoch, 1.5, {"labels": 1.5}, 0.01, 30.0, 10.0)
    gates = {"layer1.0": GateFacts(0.2, 0.1)}
    with RunLog(folder) as log:
        log.step(step)
        log.epoch(EpochEvent(epoch, 0.5, 0.6, 1.4, 12.0, gates))


def test_a_resumed_training_appends_to_the_table(tmp_path):
    write_epoch(tmp_path, 0)
    write_epoch(tmp_path, 1)
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert (rows[0]["top1"], rows[0]["lr"], rows[0]["mask_std layer1.0"]) == ("0.5000", "0.01000", "0.1000")
    assert any((tmp_path / "tensorboard").iterdir())


def test_a_missing_tensorboard(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingPackageError, match="sge-lens"):
        require_tensorboard()
