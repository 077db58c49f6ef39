"""Every error that a user of SGE Lens can cause, from pictures to weights."""

from __future__ import annotations

from sge.nn.errors import GroupsError, OrderError, SGEError, ShapeError, UnsupportedNetworkError


class PictureError(SGEError):
    """A picture cannot be used."""


class UnsupportedFormatError(PictureError):
    """The bytes are not a picture of an accepted format."""


class BrokenPictureError(PictureError):
    """The format is accepted, but the file is damaged or cut off."""


class TooManyPixelsError(PictureError):
    """The picture would need too much memory once decoded."""


class PictureNotFoundError(PictureError, FileNotFoundError):
    """There is no such file."""


class UnknownBlockError(SGEError, KeyError):
    """No block of that name; the message lists the names."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class UnknownGroupError(SGEError, IndexError):
    """The block has no group of that number."""


class UnknownCellError(SGEError, IndexError):
    """The block's maps have no cell there."""


class CaptureError(SGEError, RuntimeError):
    """Masks were asked for that no forward pass has made."""


class ChoiceError(SGEError, ValueError):
    """A setting or parameter has a value that is not among the valid ones."""


class CheckpointError(SGEError):
    """A weights file cannot be used."""


class TrainingError(SGEError):
    """A training cannot begin or go on."""


class UnknownModelError(SGEError, KeyError):
    """No model of that name; the message lists the names."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class FinderError(SGEError):
    """A part finder cannot be fitted, read, or used with this model."""


class DownloadError(SGEError):
    """A download did not bring the whole, right file."""


class MissingPackageError(SGEError, ImportError):
    """A package of an optional extra is not installed; the message says how to install it."""


class AnalysisFileError(SGEError):
    """A saved analysis cannot be read, or cannot give what was asked for."""


__all__ = [
    "AnalysisFileError",
    "BrokenPictureError",
    "CaptureError",
    "CheckpointError",
    "ChoiceError",
    "DownloadError",
    "FinderError",
    "GroupsError",
    "MissingPackageError",
    "OrderError",
    "PictureError",
    "PictureNotFoundError",
    "SGEError",
    "ShapeError",
    "TooManyPixelsError",
    "UnknownBlockError",
    "UnknownCellError",
    "UnknownGroupError",
    "UnknownModelError",
    "UnsupportedFormatError",
    "UnsupportedNetworkError",
]


def check_choice(what: str, value: str, valid: tuple[str, ...] | list[str]) -> str:
    """``value`` if it is valid; else a ChoiceError that lists the valid ones."""
    if value not in valid:
        raise ChoiceError(f"{what} is {value!r}; choose one of: {', '.join(valid)}.")
    return value
