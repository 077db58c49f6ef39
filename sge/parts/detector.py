"""A part detector: linear readouts of groups and single channels, looked at in several input sizes; and its JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sge.arrays import Array
from sge.errors import FinderError
from sge.parts.json_values import listed, number, numbers

BY = ("mix", "groups")
"""Keys of ``Finder.detectors``: readouts of groups and single channels, and of groups alone."""
SOURCES = ("groups", "groups and channels")
"""What a part's map is made of: the similarity of groups, or that and single channels."""
PAIRS = ("nose-eye", "eye-nose", "eye-eye")
"""The pairs of parts whose offset within a face can be learned; see ``Pair``."""
MAX_SIZES = 5
"""Sizes that one detector may ask for: each costs a forward pass for every image."""
SMALLEST, LARGEST = 32, 1024
"""Range of a size, in pixels; that of ``sge.frame``."""
MAX_BLOCKS, MAX_COLUMNS = 1000, 100_000
"""Blocks of a detector, and groups or channels of a block; more are not read from a file."""
DIGITS = 4
"""Significant digits of a weight in a file."""
MIN_UNEXPLAINED = 1e-6
"""Least determinant of a covariance as a fraction of the product of its variances, which is 1 minus the squared
correlation."""


@dataclass(frozen=True, eq=False)
class BlockReadout:
    """Weights of one block, linear in its maps; P is the number of the detector's parts.

    Channels are standardized in each image: ``(f - mean) / (std + 1e-5)``, with the unbiased standard deviation
    of ``torch.std``.
    """

    block: str
    groups: Array | None = None
    """(P, G), float32: of the similarity, clipped to ``sge.parts.find.CLIP``. None if no group is read."""
    channels: Array | None = None
    """(P, C), float32: of the standardized channels at the input of the block's SGE module, clipped alike. None if no
    channel is read."""

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, BlockReadout)
            and self.block == other.block
            and _same(self.groups, other.groups)
            and _same(self.channels, other.channels)
        )

    def __hash__(self) -> int:
        return hash(self.block)


@dataclass(frozen=True)
class Calibration:
    """Confidence of a peak: ``expit(intercept + weights . [logit, best pair, second pair])``; see ``sge.parts.pairs``."""

    weights: tuple[float, float, float]
    """The first one is above 0."""
    intercept: float
    alone: tuple[float, float] = (1.0, 0.0)
    """Slope, above 0, and intercept of the confidence by the logit alone, in which a part's map is drawn."""


@dataclass(frozen=True)
class Pair:
    """Gaussian of the offset from a part to another one of its face.

    The offset is in cells of 16 input pixels at the size at which the first part's peak was found. That of ``eye-eye`` is
    from the eye further left to the one further right, so that x is never negative.
    """

    mean: tuple[float, float]
    """x and y."""
    covariance: tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Detector:
    """Linear readouts of parts at several input sizes, with what turns their peaks into faces."""

    parts: tuple[str, ...]
    """Of ``sge.parts.PARTS``, in the order of the rows of all weights."""
    sizes: tuple[int, ...]
    """Shorter sides of the whole image in input pixels, ascending."""
    blocks: tuple[BlockReadout, ...]
    bias: tuple[float, ...]
    """Of each part; added to the sum of the blocks' maps."""
    calibration: dict[str, Calibration]
    """By part."""
    pairs: dict[str, Pair] = field(default_factory=dict)
    """By a key of ``PAIRS``; none for a detector whose parts are not joined by what was learned."""
    shown: float = 0.2
    """A part with at least this confidence is listed."""
    sure: float = 0.5
    """Below this confidence a part is drawn as unsure."""

    @property
    def source(self) -> str:
        """What the maps are made of: ``groups``, or ``groups and channels``."""
        return SOURCES[any(one.channels is not None for one in self.blocks)]

    def check(self, groups: Mapping[str, int], channels: Mapping[str, int] | None = None) -> None:
        """Checks that a network has the groups and channels that the weights are for.

        Args:
            groups: Block name to its number of groups.
            channels: Block name to its number of channels; None where it is not known.

        Raises:
            FinderError: A block does not exist, or has another number of groups or channels.
        """
        for one in self.blocks:
            for kind, weights, known in (
                ("groups", one.groups, groups),
                ("channels", one.channels, channels),
            ):
                if weights is not None and known is not None and known.get(one.block) != weights.shape[1]:
                    raise FinderError(
                        f"The finder's detector reads {weights.shape[1]} {kind} of {one.block}, and this model has "
                        f"{known.get(one.block, 0)} there. Use the finder of this model."
                    )

    def to_record(self) -> dict[str, Any]:
        """JSON-ready data; weights have ``DIGITS`` significant digits."""
        return {
            "parts": list(self.parts),
            "sizes": list(self.sizes),
            "blocks": [
                {"block": one.block, "groups": _rows(one.groups), "channels": _rows(one.channels)}
                for one in self.blocks
            ],
            "bias": [float(value) for value in self.bias],
            "calibration": {
                part: {"weights": list(one.weights), "intercept": one.intercept, "alone": list(one.alone)}
                for part, one in self.calibration.items()
            },
            "pairs": {
                key: {"mean": list(one.mean), "covariance": [list(row) for row in one.covariance]}
                for key, one in self.pairs.items()
            },
            "shown": self.shown,
            "sure": self.sure,
        }


def detector_of(record: Any, known: Iterable[str]) -> Detector:
    """The detector that ``to_record`` wrote.

    Args:
        record: Parsed JSON.
        known: The parts that there can be.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, OverflowError: not a detector.
    """
    known = tuple(known)
    parts = tuple(listed(record["parts"], 1, len(known)))
    if len(set(parts)) < len(parts) or not set(parts) <= set(known):
        raise ValueError(f"parts of a detector {str(parts)[:80]}; there can be {', '.join(known)}")
    blocks = listed(record["blocks"], 1, MAX_BLOCKS)
    shown, sure = number(record["shown"]), number(record["sure"])
    if not 0 < shown <= sure < 1:
        raise ValueError(f"shown {shown} and sure {sure}; both lie between 0 and 1, and sure is no smaller")
    detector = Detector(
        parts=parts,
        sizes=_sizes(record["sizes"]),
        blocks=tuple(_block(block, len(parts)) for block in blocks),
        bias=numbers(record["bias"], len(parts)),
        calibration={part: _calibration(record["calibration"][part]) for part in parts},
        pairs={key: _pair(key, pair, parts) for key, pair in record["pairs"].items()},
        shown=shown,
        sure=sure,
    )
    if len({one.block for one in detector.blocks}) < len(detector.blocks):
        raise ValueError("a block named twice in a detector")
    return detector


def _sizes(values: Any) -> tuple[int, ...]:
    sizes = tuple(listed(values, 1, MAX_SIZES))
    if any(type(size) is not int or not SMALLEST <= size <= LARGEST for size in sizes):
        raise ValueError(f"sizes {str(sizes)[:80]}; each is a whole number from {SMALLEST} to {LARGEST}")
    if list(sizes) != sorted(set(sizes)):
        raise ValueError(f"sizes {sizes} that do not ascend")
    return sizes


def check_sizes(sizes: Iterable[int]) -> tuple[int, ...]:
    """The sizes at which a detector can look, ascending, each once.

    Args:
        sizes: Shorter sides in pixels, in any order.

    Raises:
        FinderError: none, more than ``MAX_SIZES``, or one that is no whole number from ``SMALLEST`` to ``LARGEST``.
    """
    given = list(sizes)
    try:
        return _sizes(sorted(set(given)))
    except (TypeError, ValueError) as error:
        raise FinderError(
            f"A detector cannot look at the sizes {str(given)[:80]}. Give 1 to {MAX_SIZES} whole numbers from {SMALLEST} to "
            f"{LARGEST}, in pixels."
        ) from error


def _block(record: Any, parts: int) -> BlockReadout:
    if not isinstance(record["block"], str):
        raise ValueError("a block whose name is not a text")
    groups, channels = (_weights(record[key], parts) for key in ("groups", "channels"))
    if groups is None and channels is None:
        raise ValueError(f"{record['block'][:80]} with neither groups nor channels")
    return BlockReadout(record["block"], groups, channels)


def _weights(rows: Any, parts: int) -> Array | None:
    if rows is None:
        return None
    columns = len(listed(listed(rows, parts, parts)[0], 1, MAX_COLUMNS))
    weights = np.array([numbers(row, columns) for row in rows], np.float32)
    weights.flags.writeable = False
    return weights


def _calibration(record: Any) -> Calibration:
    first, second, third = numbers(record["weights"], 3)
    slope, intercept = numbers(record["alone"], 2)
    if first <= 0 or slope <= 0:
        raise ValueError("a calibration whose confidence does not rise with the logit")
    return Calibration((first, second, third), number(record["intercept"]), (slope, intercept))


def _pair(key: str, record: Any, parts: tuple[str, ...]) -> Pair:
    if key not in PAIRS or not set(key.split("-")) <= set(parts):
        raise ValueError(f"a pair {key[:80]!r}; there can be {', '.join(PAIRS)}")
    x, y = numbers(record["mean"], 2)
    (a, b), (c, d) = (numbers(row, 2) for row in listed(record["covariance"], 2, 2))
    if b != c or a <= 0 or d <= 0 or not max(1e-12, MIN_UNEXPLAINED * a * d) < a * d - b * b < 1e12:
        raise ValueError("a covariance that is not symmetric and positive definite")
    return Pair((x, y), ((a, b), (b, d)))


def _rows(weights: Array | None) -> list[list[float]] | None:
    if weights is None:
        return None
    return [[float(f"{value:.{DIGITS}g}") for value in row] for row in weights.tolist()]


def _same(one: Array | None, other: Array | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)
