"""What a part finder consists of, and its JSON file."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sge.arrays import Array
from sge.errors import FinderError
from sge.files import read_json, reason_of, write_atomically
from sge.images import Box
from sge.parts.detector import BY, SOURCES, Detector, detector_of
from sge.parts.finder_version1 import translate_finder
from sge.parts.json_values import number

VERSION = 3
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
    """0 to 1; of a detector the calibrated confidence."""
    box: Box
    face: int = 0
    """Number of the face that the part belongs to: 0 for the best one, whose scores have the largest sum."""
    sure: bool = True
    """Whether the score reaches the detector's ``sure``; parts that do not are drawn as unsure."""


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
    """A peak of the map that reaches this value is a part.

    Of a detector it is compared with the score of the part, and not with the map: the score also depends on other peaks.
    """
    terms: list[GroupWeight]
    """The groups that the map is read out from, largest weight first; of a detector those that add most."""
    source: str = "groups"
    """What the map is made of: ``groups``, or ``groups and channels``."""


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
    """The readouts and detectors of all parts, and the channel permutation for which their numbers are valid."""

    readouts: dict[str, Readout]
    """By part: ``nose``, ``eye``. They stand in where there is no detector."""
    permutations: str
    """Digest of the channel permutations of the network that the finder was fitted on."""
    fitted_on: str = "not stated"
    """Images and labels, in words."""
    size: int | None = None
    """Shorter side of the network's input during the fit, in pixels."""
    measured: list[dict[str, Any]] = field(default_factory=list)
    """Measured figures, each with its data set and protocol."""
    limits: str = ""
    """What it was fitted on and what it misses, as the end of a sentence: ``learned on 90 images of dogs and ...``."""
    detectors: dict[str, Detector] = field(default_factory=dict)
    """By what they read: ``mix`` (groups and single channels), ``groups`` (groups alone)."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that it finds, of ``PARTS``."""
        known = {part for detector in self.detectors.values() for part in detector.parts} | set(self.readouts)
        return tuple(part for part in PARTS if part in known)

    @property
    def nothing_found(self) -> str:
        """The sentence for an image in which no part is found; it says why a face may have been missed."""
        names = " or ".join(_PLURALS[part] for part in self.parts)
        return f"No {names} found; the finder {self.limits}." if self.limits else f"No {names} found."

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the finder as JSON; the file is replaced as a whole or not at all.

        Raises:
            FinderError: the file cannot be written.
        """
        try:
            write_atomically(Path(path), self._text().encode())
        except OSError as error:
            raise FinderError(
                f"{path} cannot be written: {error.strerror}. Free some space, or name another folder."
            ) from error

    def to_record(self) -> dict[str, Any]:
        """Returns the versioned record that is stored in a file."""
        record = {"version": VERSION} | asdict(replace(self, detectors={}))
        return record | {"detectors": {by: one.to_record() for by, one in self.detectors.items()}}

    def _text(self) -> str:
        """The record as JSON, with one line for each detector, whose weights would fill a line each."""
        record = self.to_record()
        detectors = record.pop("detectors")
        lines = [f"  {json.dumps(by)}: {json.dumps(one)}" for by, one in detectors.items()]
        listed = "{\n" + ",\n".join(lines) + "\n }" if lines else "{}"
        return json.dumps(record, indent=1).removesuffix("\n}") + f',\n "detectors": {listed}\n}}\n'

    @classmethod
    def from_record(cls, record: Any, where: str) -> Finder:
        """Reads what ``to_record`` returned, also that of versions 1 and 2.

        Args:
            record: Parsed JSON.
            where: What holds it, for the sentence.

        Raises:
            FinderError: not a finder.
        """
        try:
            return _from_record(record)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
            raise FinderError(
                f"{where} is not a part finder ({reason_of(error)}). Fit it again: sge parts fit."
            ) from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Finder:
        """Reads a file that ``save`` wrote, of version 1, 2 or 3.

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

    def check(self, groups: Mapping[str, int], channels: Mapping[str, int] | None = None) -> None:
        """Checks that a network has the groups that readouts and detectors name.

        Args:
            groups: Block name to its number of groups.
            channels: Block name to its number of channels; None where it is not known.

        Raises:
            FinderError: a block, group or channel does not exist.
        """
        for detector in self.detectors.values():
            detector.check(groups, channels)
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
    elif record["version"] not in (2, VERSION):
        raise ValueError(f"version {str(record['version'])[:80]}; this program reads versions 1 to {VERSION}")
    readouts = {part: _readout(readout) for part, readout in record["readouts"].items()}
    detectors = {by: detector_of(one, PARTS) for by, one in record.get("detectors", {}).items()}
    if not (readouts or detectors) or not set(readouts) <= set(PARTS):
        raise ValueError(f"parts {', '.join(map(str, readouts))}; there can be {', '.join(PARTS)}")
    if not set(detectors) <= set(BY):
        raise ValueError(f"detectors {', '.join(map(str, detectors))}; there can be {', '.join(BY)}")
    if "groups" in detectors and detectors["groups"].source != SOURCES[0]:
        raise ValueError("a detector of groups alone that reads channels")
    permutations, fitted_on, size = record["permutations"], record["fitted_on"], record["size"]
    limits = record.get("limits", "")
    if not all(isinstance(text, str) for text in (permutations, fitted_on, limits)):
        raise ValueError("permutations, fitted_on and limits must be texts")
    if size is not None and type(size) is not int:
        raise ValueError(f"size {size}")
    measured = record["measured"]
    if not isinstance(measured, list) or not all(isinstance(row, dict) for row in measured):
        raise ValueError("measured is no list of records")
    return Finder(readouts, permutations, fitted_on, size, measured, limits, detectors)


def _readout(record: dict[str, Any]) -> Readout:
    terms = tuple(
        GroupWeight(str(term["block"]), term["group"], number(term["weight"])) for term in record["terms"]
    )
    if any(type(term.group) is not int or term.group < 0 for term in terms):
        raise ValueError("a group that is not a number")
    total = sum(term.weight for term in terms)
    if any(term.weight <= 0 for term in terms) or not math.isclose(total, 1, abs_tol=1e-3):
        raise ValueError("weights that are not above 0 or do not sum to 1")
    if len({(term.block, term.group) for term in terms}) < len(terms):
        raise ValueError("a group named twice")
    threshold = number(record["threshold"])
    if not 0 < threshold < 1:
        raise ValueError(f"threshold {threshold}")
    return Readout(terms, number(record["scale"]), number(record["bias"]), threshold)
