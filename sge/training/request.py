"""What the user of ``sge train`` asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sge.errors import ChoiceError
from sge.training.config import TrainConfig


@dataclass(frozen=True)
class TrainingRequest:
    """Images, settings, teacher and folders of one training."""

    train: tuple[Path, ...]
    """Folders in the ImageFolder layout, or tar shards."""
    dev: tuple[Path, ...]
    """The same; each epoch is measured on these images."""
    out: Path
    """Folder of the training."""
    config: TrainConfig
    start: str | None = None
    """A model's name or a weights file to fine-tune; None: random weights."""
    teacher: str | None = None
    """As ``any_teacher`` takes it."""
    cache: Path | None = None
    """Folder of decoded images and stored teacher maps; None: inside ``out``."""
    save_every: int = 200
    """Steps between two writes of the state."""
    workers: int = 0
    """Number of processes that prepare crops."""
    decode_ahead: bool | None = None
    """Decode all images before training; None: decided by their number."""
    overwrite: bool = False
    """Replace files in ``out`` that no training wrote."""

    @property
    def cache_folder(self) -> Path:
        """``cache``, or its default."""
        return self.cache or self.out / "cache"


def check_teacher(request: TrainingRequest) -> None:
    """Checks that a teacher is named where a loss needs one, and that a loss uses the one that is named.

    Raises:
        ChoiceError: It is not so.
    """
    config = request.config
    if request.teacher is None and (
        config.teacher_weight or config.feature_weight or config.similarity_blocks
    ):
        raise ChoiceError("These settings need a teacher: name one with --teacher.")
    dense = config.similarity_weight if config.similarity_blocks else 0.0
    if request.teacher is not None and not (config.teacher_weight or config.feature_weight or dense):
        raise ChoiceError(
            "No loss uses the teacher, because all their weights are 0. Give one a weight, such as --set "
            "teacher_weight=0.7, or leave out --teacher."
        )
