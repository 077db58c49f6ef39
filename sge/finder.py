"""What a part finder is made of, and its JSON."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sge.analysis import Share
from sge.checkpoint import write_atomically
from sge.errors import FinderError

VERSION = 1
PARTS = ("nose", "eye")
"""What a finder can be fitted to: a kind of place. Of eyes there may be several in a face."""


@dataclass(frozen=True)
class Mix:
    """A part as a sum of groups: ``sigmoid(scale * sum of share * t - bias)``, t the clipped similarity."""

    shares: tuple[Share, ...]
    """Non-negative, summing to 1, largest first."""
    scale: float
    bias: float
    threshold: float
    """0 to 1: from here on a peak of the map is a part."""


@dataclass(frozen=True)
class Finder:
    """Mixes by part, and the channel orders that they belong to."""

    mixes: dict[str, Mix]
    orders: str
    """``orders_digest`` of the network that it was fitted on."""
    fitted_on: str = "not stated"
    """Pictures and labels, in words."""
    size: int | None = None
    """Shorter side of the pictures that it was fitted on, in pixels of the network's input."""
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
        for part, mix in self.mixes.items():
            for share in mix.shares:
                if share.group >= groups.get(share.block, 0):
                    raise FinderError(
                        f"The finder's {part} needs {share.block}/g{share.group}, which this model does not have. "
                        "Fit a finder on this model: sge parts fit."
                    )

    def check_orders(self, digest: str) -> None:
        """Whether it was fitted on these channel orders.

        Raises:
            FinderError: it was not: its group numbers would mean other channels.
        """
        if digest != self.orders:
            raise FinderError(
                "This finder was fitted on another order of channels, so its group numbers mean other groups here "
                f"({self.orders[:12]} instead of {digest[:12]}). Fit one on this model: sge parts fit."
            )


def orders_digest(orders: Mapping[str, npt.NDArray[Any]]) -> str:
    """sha256 over the orders as int32, one after the other, sorted by block name; of no orders, of nothing.

    Args:
        orders: Block name to (C,), which old channel each channel is.
    """
    digest = hashlib.sha256()
    for name in sorted(orders):
        digest.update(np.ascontiguousarray(orders[name], "<i4").tobytes())
    return digest.hexdigest()


NO_ORDERS = orders_digest({})
"""Of a network whose channels lie as its weights have them."""


def _from_record(record: dict[str, Any]) -> Finder:
    if record["version"] != VERSION:
        raise ValueError(f"version {record['version']} instead of {VERSION}")
    mixes = {part: _mix(mix) for part, mix in record["mixes"].items()}
    if not mixes or not set(mixes) <= set(PARTS):
        raise ValueError(f"parts {', '.join(map(str, mixes))}; there can be {', '.join(PARTS)}")
    orders, fitted_on, size = record["orders"], record["fitted_on"], record["size"]
    if not isinstance(orders, str) or not isinstance(fitted_on, str):
        raise ValueError("orders and fitted_on are texts")
    if size is not None and type(size) is not int:
        raise ValueError(f"size {size}")
    return Finder(mixes, orders, fitted_on, size, list(record["measured"]))


def _mix(record: dict[str, Any]) -> Mix:
    shares = tuple(Share(str(one["block"]), one["group"], _number(one["weight"])) for one in record["shares"])
    if any(type(one.group) is not int or one.group < 0 for one in shares):
        raise ValueError("a group that is no number")
    if any(one.weight <= 0 for one in shares) or not math.isclose(
        sum(one.weight for one in shares), 1, abs_tol=1e-3
    ):
        raise ValueError("weights that are not above 0 or do not sum to 1")
    if len({(one.block, one.group) for one in shares}) < len(shares):
        raise ValueError("a group named twice")
    threshold = _number(record["threshold"])
    if not 0 < threshold < 1:
        raise ValueError(f"threshold {threshold}")
    return Mix(shares, _number(record["scale"]), _number(record["bias"]), threshold)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)
