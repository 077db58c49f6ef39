"""What a part finder consists of, and its JSON file."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sge.arrays import Array
from sge.errors import FinderError
from sge.files import read_json, reason_of, write_atomically
from sge.images import Box
from sge.parts.finder_version1 import translate_finder

VERSION = 2
PARTS = ("nose", "eye")
"""The parts that a finder can be fitted to. A face may have several eyes."""
_PLURALS = {"nose": "nose", "eye": "eyes"}


@dataclass(frozen=True)
class Part:
    """A part found in an image."""

    name: str
    """``nose``, ``left_eye`` or ``right_eye``; left and right as seen in the image."""
    x: float
    """Pixels of the upright original."""
    y: float
    score: float
    """0 to 1."""
    box: Box


@dataclass(frozen=True)
class GroupWeight:
    """One group of a readout, with its weight."""

    block: str
    group: int
    weight: float
    """Above 0; the weights of a readout sum to 1."""


@dataclass(frozen=True)
class PartMap:
    """The map of one part over an image."""

    map: Array
    """(h, w), float32, 0 to 1; it covers the geometry's window."""
    threshold: float
    """A peak of the map that reaches this value is a part."""
    terms: list[GroupWeight]
    """The groups that the map is read out from, largest weight first."""


@dataclass(frozen=True)
class Readout:
    """Sparse linear readout of one part: ``sigmoid(scale * sum(weight * t) - bias)``, t the clipped similarity."""

    terms: tuple[GroupWeight, ...]
    """Weights are positive and sum to 1; largest first."""
    scale: float
    bias: float
    threshold: float
    """0 to 1; a peak of the map that reaches this value is a part."""


@dataclass(frozen=True)
class Finder:
    """The readouts of all parts, and the channel permutation for which their group numbers are valid."""

    readouts: dict[str, Readout]
    """By part: ``nose``, ``eye``."""
    permutations: str
    """Digest of the channel permutations of the network that the finder was fitted on."""
    fitted_on: str = "not stated"
    """Images and labels, in words."""
    size: int | None = None
    """Shorter side of the network's input during the fit, in pixels."""
    measured: list[dict[str, Any]] = field(default_factory=list)
    """Measured figures, each with its data set and protocol."""
    limits: str = ""
    """What it was fitted on and what it misses, as the end of a sentence: ``was fitted on dogs and ...``."""

    @property
    def nothing_found(self) -> str:
        """The sentence for an image in which no part is found; it says why a face may have been missed."""
        names = " or ".join(_PLURALS[part] for part in PARTS if part in self.readouts)
        return f"No {names} found: the part finder {self.limits}." if self.limits else f"No {names} found."

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the finder as JSON; the file is replaced as a whole or not at all.

        Raises:
            FinderError: the file cannot be written.
        """
        try:
            write_atomically(Path(path), (json.dumps(self.to_record(), indent=1) + "\n").encode())
        except OSError as error:
            raise FinderError(
                f"{path} cannot be written: {error.strerror}. Free some space, or name another folder."
            ) from error

    def to_record(self) -> dict[str, Any]:
        """Returns the versioned record that is stored in a file."""
        return {"version": VERSION} | asdict(self)

    @classmethod
    def from_record(cls, record: Any, where: str) -> Finder:
        """Reads what ``to_record`` returned, also that of version 1.

        Args:
            record: Parsed JSON.
            where: What holds it, for the sentence.

        Raises:
            FinderError: not a finder.
        """
        try:
            return _from_record(record)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise FinderError(
                f"{where} is not a part finder ({reason_of(error)}). Fit it again: sge parts fit."
            ) from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Finder:
        """Reads a file that ``save`` wrote, of version 1 or 2.

        Raises:
            FinderError: no such file, or not a finder.
        """
        try:
            record = read_json(Path(path))
        except OSError as error:
            raise FinderError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
        except (ValueError, RecursionError) as error:
            raise FinderError(
                f"{Path(path).name} is not a part finder ({reason_of(error)}). Fit it again: sge parts fit."
            ) from error
        return cls.from_record(record, Path(path).name)

    def check(self, groups: Mapping[str, int]) -> None:
        """Checks that a network has the groups that the readouts name.

        Args:
            groups: Block name to its number of groups.

        Raises:
            FinderError: a block or group does not exist.
        """
        for part, readout in self.readouts.items():
            for term in readout.terms:
                if term.group >= groups.get(term.block, 0):
                    raise FinderError(
                        f"The finder's {part} needs {term.block}/g{term.group}, which this model does not have. "
                        "Fit a finder on this model: sge parts fit."
                    )

    def check_permutation(self, digest: str) -> None:
        """Checks that a network has the channel permutations of the network that the finder was fitted on.

        Args:
            digest: The network's ``Model.permutations``.

        Raises:
            FinderError: other permutations, under which a group number means other channels.
        """
        if digest != self.permutations:
            raise FinderError(
                "This finder was fitted on another channel permutation, so its group numbers mean other groups here "
                f"({self.permutations[:12]} instead of {digest[:12]}). Fit one on this model: sge parts fit."
            )


def _from_record(record: dict[str, Any]) -> Finder:
    if record["version"] == 1:
        record = translate_finder(record)
    elif record["version"] != VERSION:
        raise ValueError(f"version {record['version']}; this program reads versions 1 and {VERSION}")
    readouts = {part: _readout(readout) for part, readout in record["readouts"].items()}
    if not readouts or not set(readouts) <= set(PARTS):
        raise ValueError(f"parts {', '.join(map(str, readouts))}; there can be {', '.join(PARTS)}")
    permutations, fitted_on, size = record["permutations"], record["fitted_on"], record["size"]
    limits = record.get("limits", "")
    if not all(isinstance(text, str) for text in (permutations, fitted_on, limits)):
        raise ValueError("permutations, fitted_on and limits must be texts")
    if size is not None and type(size) is not int:
        raise ValueError(f"size {size}")
    return Finder(readouts, permutations, fitted_on, size, list(record["measured"]), limits)


def _readout(record: dict[str, Any]) -> Readout:
    terms = tuple(
        GroupWeight(str(term["block"]), term["group"], _number(term["weight"])) for term in record["terms"]
    )
    if any(type(term.group) is not int or term.group < 0 for term in terms):
        raise ValueError("a group that is not a number")
    total = sum(term.weight for term in terms)
    if any(term.weight <= 0 for term in terms) or not math.isclose(total, 1, abs_tol=1e-3):
        raise ValueError("weights that are not above 0 or do not sum to 1")
    if len({(term.block, term.group) for term in terms}) < len(terms):
        raise ValueError("a group named twice")
    threshold = _number(record["threshold"])
    if not 0 < threshold < 1:
        raise ValueError(f"threshold {threshold}")
    return Readout(terms, _number(record["scale"]), _number(record["bias"]), threshold)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value)
