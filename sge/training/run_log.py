"""A training's record: a CSV for tables, TensorBoard for curves."""

from __future__ import annotations

import csv
from pathlib import Path
from types import TracebackType
from typing import Any

from sge.errors import MissingPackageError
from sge.training.events import EpochReport, StepReport

CSV = "log.csv"
COLUMNS = ("epoch", "step", "top1", "best", "loss", "rate", "images_per_second", "seconds")


def require_tensorboard() -> None:
    """Refuses where TensorBoard is missing.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            "TensorBoard is missing. Install what training needs: pip install 'sge-lens[train]'."
        ) from error


class Record:
    """Writes a row an epoch; every so many steps a point of each curve.

    Args:
        folder: Of the training; the files go on where an interrupted one broke off.
        every: Steps between two points.

    Raises:
        MissingPackageError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, every: int = 20) -> None:
        self.path, self.every = folder / CSV, every
        self.last: StepReport | None = None
        require_tensorboard()
        from torch.utils.tensorboard import SummaryWriter

        self.writer: Any = SummaryWriter(str(folder / "tensorboard"))

    def step(self, report: StepReport) -> None:
        """After each step."""
        self.last = report
        if report.step % self.every:
            return
        for name, value in report.parts.items():
            self.writer.add_scalar(f"loss/{name}", value, report.step)
        self.writer.add_scalar("rate", report.rate, report.step)
        self.writer.add_scalar("images_per_second", report.images_per_second, report.step)

    def epoch(self, report: EpochReport) -> None:
        """After each epoch; gates' weights and the spread of their masks are curves by block."""
        step = self.last.step if self.last else 0
        self.writer.add_scalar("top1", report.top1, step)
        for block, facts in report.gates.items():
            self.writer.add_scalar(f"gates/weight/{block}", facts.weight, step)
            self.writer.add_scalar(f"gates/spread/{block}", facts.spread, step)
        self.writer.flush()
        blocks = [f"{kind} {block}" for block in report.gates for kind in ("weight", "spread")]
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            if new:
                rows.writerow([*COLUMNS, *blocks])
            last = self.last
            rows.writerow(
                [
                    report.epoch,
                    step,
                    f"{report.top1:.4f}",
                    f"{report.best:.4f}",
                    f"{report.loss:.4f}",
                    f"{last.rate:.5f}" if last else "",
                    f"{last.images_per_second:.1f}" if last else "",
                    f"{report.seconds:.1f}",
                    *(f"{v:.4f}" for facts in report.gates.values() for v in (facts.weight, facts.spread)),
                ]
            )

    def __enter__(self) -> Record:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.writer.close()
