"""What a part finder is made of, and its JSON."""

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
from sge.files import write_atomically
from sge.images.geometry import Box

VERSION = 1
PARTS = ("nose", "eye")
"""What a finder can be fitted to: a kind of place. Of eyes there may be several in a face."""


@dataclass(frozen=True)
class Part:
    """A named place in the image."""

    name: str
    x: float
    """Pixels of the upright original."""
    y: float
    score: float
    box: Box


@dataclass(frozen=True)
class GroupWeight:
    """One group's part in a mix."""

    block: str
    group: int
    weight: float
    """Above 0; the shares of a mix sum to 1."""


@dataclass(frozen=True)
class PartMap:
    """Where a part may be: a mix of groups."""

    map: Array
    """(h, w), float32, 0 to 1; it covers the geometry's window."""
    threshold: float
    """From here on a peak of the map is a part."""
    mix: list[GroupWeight]
    """Largest share first."""


@dataclass(frozen=True)
class Readout:
    """A part as a sum of groups: ``sigmoid(scale * sum of share * t - bias)``, t the clipped similarity."""

    terms: tuple[GroupWeight, ...]
    """Non-negative, summing to 1, largest first."""
    scale: float
    bias: float
    threshold: float
    """0 to 1: from here on a peak of the map is a part."""


@dataclass(frozen=True)
class Finder:
    """Mixes by part, and the channel orders that they belong to."""

    readouts: dict[str, Readout]
    permutations: str
    """``orders_digest`` of the network that it was fitted on."""
    fitted_on: str = "not stated"
    """Images and labels, in words."""
    size: int | None = None
    """Shorter side of the images that it was fitted on, in pixels of the network's input."""
    measured: list[dict[str, Any]] = field(default_factory=list)
    """Figures, each with its set and protocol."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the finder as JSON; the file appears whole or not at all.

        Raises:
            FinderError: the file cannot be written.
        """
        record = {"version": VERSION} | asdict(self)
        try:
            write_atomically(Path(path), (json.dumps(record, indent=1) + "\n").encode())
        except OSError as error:
            raise FinderError(f"{path} cannot be written: {error.strerror}.") from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Finder:
        """Reads what ``save`` wrote.

        Raises:
            FinderError: no such file, or not a finder.
        """
        try:
            return _from_record(json.loads(Path(path).read_text("utf-8")))
        except OSError as error:
            raise FinderError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise FinderError(
                f"{Path(path).name} is no part finder ({type(error).__name__}: {error}). Fit it again: sge parts fit."
            ) from error

    def check(self, groups: Mapping[str, int]) -> None:
        """Whether a network has the groups that the mixes name.

        Args:
            groups: Block name to its number of groups.

        Raises:
            FinderError: a block or group is not there.
        """
        for part, mix in self.readouts.items():
            for share in mix.terms:
                if share.group >= groups.get(share.block, 0):
                    raise FinderError(
                        f"The finder's {part} needs {share.block}/g{share.group}, which this model does not have. "
                        "Fit a finder on this model: sge parts fit."
                    )

    def check_permutation(self, digest: str) -> None:
        """Whether it was fitted on these channel orders.

        Raises:
            FinderError: it was not: its group numbers would mean other channels.
        """
        if digest != self.permutations:
            raise FinderError(
                "This finder was fitted on another order of channels, so its group numbers mean other groups here "
                f"({self.permutations[:12]} instead of {digest[:12]}). Fit one on this model: sge parts fit."
            )


def _from_record(record: dict[str, Any]) -> Finder:
    if record["version"] != VERSION:
        raise ValueError(f"version {record['version']} instead of {VERSION}")
    readouts = {part: _mix(mix) for part, mix in record["mixes"].items()}
    if not readouts or not set(readouts) <= set(PARTS):
        raise ValueError(f"parts {', '.join(map(str, readouts))}; there can be {', '.join(PARTS)}")
    permutations, fitted_on, size = record["orders"], record["fitted_on"], record["size"]
    if not isinstance(permutations, str) or not isinstance(fitted_on, str):
        raise ValueError("orders and fitted_on are texts")
    if size is not None and type(size) is not int:
        raise ValueError(f"size {size}")
    return Finder(readouts, permutations, fitted_on, size, list(record["measured"]))


def _mix(record: dict[str, Any]) -> Readout:
    terms = tuple(
        GroupWeight(str(one["block"]), one["group"], _number(one["weight"])) for one in record["shares"]
    )
    if any(type(one.group) is not int or one.group < 0 for one in terms):
        raise ValueError("a group that is no number")
    if any(one.weight <= 0 for one in terms) or not math.isclose(
        sum(one.weight for one in terms), 1, abs_tol=1e-3
    ):
        raise ValueError("weights that are not above 0 or do not sum to 1")
    if len({(one.block, one.group) for one in terms}) < len(terms):
        raise ValueError("a group named twice")
    threshold = _number(record["threshold"])
    if not 0 < threshold < 1:
        raise ValueError(f"threshold {threshold}")
    return Readout(terms, _number(record["scale"]), _number(record["bias"]), threshold)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)
