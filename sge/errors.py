"""Every error that a user of SGE Lens can cause, from images to weights."""

from __future__ import annotations


class SGEError(Exception):
    """Base of every error that a user of SGE Lens can cause; its message says what to do next."""


class GroupsError(SGEError, ValueError):
    """The number of groups does not divide the number of channels."""


class ShapeError(SGEError, ValueError):
    """A tensor has not the shape that the module needs."""


class UnsupportedNetworkError(SGEError, TypeError):
    """A network offers no place where SGE could be put."""


class PermutationError(SGEError, ValueError):
    """An order of channels cannot be folded into the network."""


class ImageError(SGEError):
    """An image cannot be used."""


class UnsupportedFormatError(ImageError):
    """The bytes are not an image of an accepted format."""


class BrokenImageError(ImageError):
    """The format is accepted, but the file is damaged or cut off."""


class TooManyPixelsError(ImageError):
    """The image would need too much memory once decoded."""


class ImageNotFoundError(ImageError, FileNotFoundError):
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


class DataError(SGEError, ValueError):
    """A folder, archive, list, cache or labels file of images cannot be used."""


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
    "BrokenImageError",
    "CaptureError",
    "CheckpointError",
    "ChoiceError",
    "DataError",
    "DownloadError",
    "FinderError",
    "GroupsError",
    "ImageError",
    "ImageNotFoundError",
    "MissingPackageError",
    "PermutationError",
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
