"""Errors that a user of SGE Lens can cause.

Each message is a sentence that says what is wrong and what to do next.
"""

from __future__ import annotations

import contextlib
import operator


class SGEError(Exception):
    """Base class of every error that a user of SGE Lens can cause."""


class GroupsError(SGEError, ValueError):
    """The number of groups does not divide the number of channels."""


class ShapeError(SGEError, ValueError):
    """A tensor does not have the required shape."""


class UnsupportedNetworkError(SGEError, TypeError):
    """A network has no position where SGE can be inserted, or channels that cannot be permuted."""


class UnsupportedBackendError(SGEError, TypeError):
    """What runs the model cannot give what was asked for, such as gradients of an exported file."""


class PermutationError(SGEError, ValueError):
    """A permutation of channels cannot be applied to the network."""


class ImageError(SGEError):
    """An image cannot be used."""


class UnsupportedFormatError(ImageError):
    """The bytes are not an image of an accepted format."""


class BrokenImageError(ImageError):
    """The format is accepted, but the file is damaged or truncated."""


class TooManyPixelsError(ImageError):
    """The decoded image would need too much memory."""


class ImageTooCostlyError(ImageError):
    """Reading the image would take, or took, more time or memory than the limits allow; the message says which."""


class ImageNotFoundError(ImageError, FileNotFoundError):
    """The image file does not exist."""


class UnknownBlockError(SGEError, KeyError):
    """The network has no block or module of that name; the message lists the blocks."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class UnknownGroupError(SGEError, IndexError):
    """The block has no group with that number."""


class UnknownCellError(SGEError, IndexError):
    """The block's maps have no cell at that position."""


class CaptureError(SGEError, RuntimeError):
    """A capture cannot give what was asked for: no forward pass made it, or its rows cannot be told apart."""


class NonFiniteError(SGEError, ArithmeticError):
    """A network gives numbers that are infinite or not a number."""


class ChoiceError(SGEError, ValueError):
    """A setting or parameter has an invalid value."""


class DataError(SGEError, ValueError):
    """A folder, archive, list, cache or labels file of images cannot be used."""


class CheckpointError(SGEError):
    """A file of weights cannot be used."""


class TrainingError(SGEError):
    """A training cannot start or resume."""


class UnknownModelError(SGEError, KeyError):
    """There is no model of that name; the message lists the names."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class GivenUpError(SGEError):
    """A computation ended before it was done, because nobody waits for its result."""


class FinderError(SGEError):
    """A part finder cannot be fitted, read, or used with this model."""


class DownloadError(SGEError):
    """A download failed, or the file is incomplete or not the expected one."""


class OutputError(SGEError, OSError):
    """Results cannot be written: a file of someone else is in the way, a full disk, no permission."""


class MissingPackageError(SGEError, ImportError):
    """A package of an optional extra is not installed; the message says how to install it."""


class AnalysisFileError(SGEError):
    """A saved analysis cannot be read, or does not contain what was asked for."""


def check_choice(what: str, value: str, valid: tuple[str, ...] | list[str]) -> str:
    """Returns ``value`` if it is one of the valid ones.

    Args:
        what: Name of the setting, for the message.
        value: The value to check.
        valid: All valid values.

    Raises:
        ChoiceError: ``value`` is not valid; the message lists the valid values.
    """
    if value not in valid:
        raise ChoiceError(f"{what} is {value!r}; choose one of: {', '.join(valid)}.")
    return value


def check_whole(what: str, value: object) -> int:
    """Returns ``value`` if it is a whole number of any type but bool.

    Args:
        what: Name of the setting, for the message.
        value: The value to check.

    Raises:
        ChoiceError: ``value`` is no whole number.
    """
    if not isinstance(value, bool):
        with contextlib.suppress(TypeError):
            return operator.index(value)  # type: ignore[arg-type]
    raise ChoiceError(f"{what} is {value!r}; give a whole number.")


def check_seed(seed: int) -> None:
    """Checks a seed before anything is computed with it.

    Raises:
        ChoiceError: It is no whole number, or below 0.
    """
    if check_whole("seed", seed) < 0:
        raise ChoiceError(f"seed is {seed}; choose 0 or more.")
