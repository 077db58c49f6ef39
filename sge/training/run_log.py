"""Log of a training: a CSV file with one row for each epoch, and curves for TensorBoard."""

from __future__ import annotations

import csv
from pathlib import Path
from types import TracebackType
from typing import Any

from sge.errors import MissingPackageError
from sge.training.events import EpochEvent, StepEvent

CSV = "log.csv"
COLUMNS = ("epoch", "step", "top1", "best", "loss", "lr", "images_per_second", "seconds")


def is_log(path: Path) -> bool:
    """Whether a file is the log of a training."""
    try:
        with path.open("rb") as file:
            return file.readline(1000).startswith(",".join(COLUMNS[:4]).encode())
    except OSError:
        return False


def require_tensorboard() -> None:
    """Checks that TensorBoard is installed.

    Raises:
        MissingPackageError: It is not.
    """
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            "TensorBoard is not installed. Install what training needs: pip install 'sge-lens[train]'."
        ) from error


class RunLog:
    """Writes ``log.csv`` and the folder ``tensorboard``; a resumed training appends to both.

    Args:
        folder: Folder of the training.
        every: Steps between two points of a curve.

    Raises:
        MissingPackageError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, every: int = 20) -> None:
        self.path, self.every = folder / CSV, every
        self._last: StepEvent | None = None
        require_tensorboard()
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / "tensorboard"))

    def step(self, event: StepEvent) -> None:
        """Writes loss terms, learning rate and speed, every ``every`` steps."""
        self._last = event
        if event.step % self.every:
            return
        for name, value in event.terms.items():
            self._writer.add_scalar(f"loss/{name}", value, event.step)
        self._writer.add_scalar("lr", event.lr, event.step)
        self._writer.add_scalar("images_per_second", event.images_per_second, event.step)

    def epoch(self, event: EpochEvent) -> None:
        """Writes accuracy, and weight and mask standard deviation of each block's gates."""
        last = self._last
        step = last.step if last else 0
        self._writer.add_scalar("top1", event.top1, step)
        for block, facts in event.gates.items():
            self._writer.add_scalar(f"gates/weight/{block}", facts.weight, step)
            self._writer.add_scalar(f"gates/mask_std/{block}", facts.mask_std, step)
        self._writer.flush()
        is_new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            if is_new:
                gates = [f"{kind} {block}" for block in event.gates for kind in ("weight", "mask_std")]
                rows.writerow([*COLUMNS, *gates])
            rows.writerow(
                [
                    event.epoch,
                    step,
                    f"{event.top1:.4f}",
                    f"{event.best:.4f}",
                    f"{event.loss:.4f}",
                    f"{last.lr:.5f}" if last else "",
                    f"{last.images_per_second:.1f}" if last else "",
                    f"{event.seconds:.1f}",
                    *(f"{v:.4f}" for facts in event.gates.values() for v in (facts.weight, facts.mask_std)),
                ]
            )

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()
