"""The input that a network was trained on, checked when it is stated."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from operator import index
from typing import Any

from sge.errors import ChoiceError

MAX_SIZE = 1024
"""Largest side of a network's input, in pixels."""
MAX_RESIZE = 4
"""``resize`` is at most this many times ``size``."""
MAX_MAGNITUDE = 1e6
"""Means and standard deviations beyond this give inputs with which no network computes in single precision."""
INTERPOLATIONS = ("bilinear", "bicubic")
GRAY_MEAN, GRAY_STD = (0.449,), (0.226,)
"""ImageNet's statistics of gray, which an error names as an example."""


@dataclass(frozen=True)
class Preprocess:
    """The input that a network was trained on: (pixel / 255 - mean) / std in RGB, or in gray for one channel.

    Gray is the luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, of the sRGB image.

    Raises:
        ChoiceError: a value of another type, out of range, or not finite.
    """

    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """One number for each channel: three for RGB, one for gray."""
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    resize: int = 256
    """Shorter side before the center crop, in pixels; never less than the crop."""
    size: int = 224
    """Side of the center crop, in pixels."""
    interpolation: str = "bilinear"
    """``bilinear`` or ``bicubic``."""
    whole: int | None = None
    """Shorter side with framing ``whole``, in pixels; None stands for ``size``."""
    whole_temperature: float = 1.0
    """Divides the logits of framing ``whole`` before the softmax (temperature scaling; Guo et al., ICML 2017).

    On an input larger than those of its training, a network ranks classes as before, but its logits shrink.
    """

    fixed: tuple[int, int] | None = None
    """Height and width of the only input that the network takes; None where it takes others. A whole image is made as large
    as fits and padded at its right and lower edges; the center is cropped to these sides."""

    def __post_init__(self) -> None:
        values: dict[str, Any] = {
            "mean": _statistics("mean", self.mean, -MAX_MAGNITUDE),
            "std": _statistics("std", self.std, 1 / MAX_MAGNITUDE),
            "size": _side("size", self.size, MAX_SIZE),
            "whole_temperature": _number(
                "whole_temperature", self.whole_temperature, 1 / MAX_MAGNITUDE, MAX_MAGNITUDE
            ),
        }
        values["resize"] = _side("resize", self.resize, MAX_RESIZE * values["size"])
        if self.whole is not None:
            values["whole"] = _side("whole", self.whole, MAX_SIZE)
        if self.fixed is not None:
            values["fixed"] = _sides(self.fixed)
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if len(self.mean) != len(self.std):
            raise ChoiceError(
                f"mean has {len(self.mean)} numbers and std has {len(self.std)}; give one of each for every channel."
            )
        if self.interpolation not in INTERPOLATIONS:
            raise ChoiceError(
                f"interpolation is {_shown(self.interpolation)}; choose one of: {', '.join(INTERPOLATIONS)}."
            )

    @classmethod
    def unnormalized(cls, size: int = 224, *, interpolation: str = "bilinear") -> Preprocess:
        """RGB of 0 to 1, for networks that normalize themselves (torchvision's detectors) or not at all (YOLO).

        Args:
            size: Side of the input in pixels, also before the center crop.
            interpolation: As the field.
        """
        return cls((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), resize=size, size=size, interpolation=interpolation)

    def to_record(self) -> dict[str, Any]:
        """The fields as plain data; ``fixed`` only if it is stated, so that programs without it read the record."""
        record = asdict(self)
        if self.fixed is None:
            del record["fixed"]
        return record

    @property
    def channels(self) -> int:
        """Number of channels of the input: 3, or 1 for gray."""
        return len(self.mean)


def _statistics(name: str, values: Any, least: float) -> tuple[float, ...]:
    listed = list(values) if isinstance(values, Iterable) and not isinstance(values, str | bytes) else None
    if listed is None or len(listed) not in (1, 3):
        raise ChoiceError(f"{name} is {_shown(values)}; give three numbers for RGB, or one for gray.")
    return tuple(_number(name, value, least, MAX_MAGNITUDE) for value in listed)


def _number(name: str, value: Any, least: float, most: float) -> float:
    # float() also reads text and tensors; a file that has them is not what it seems to be.
    plain = not isinstance(value, bool | str | bytes) and hasattr(value, "__float__")
    try:
        number = float(value) if plain else math.nan
    except (TypeError, ValueError, OverflowError, RuntimeError):
        number = math.nan
    if not least <= number <= most:
        raise ChoiceError(f"{name} has {_shown(value)}; give a number from {least:g} to {most:g}.")
    return number


def _sides(value: Any) -> tuple[int, int]:
    listed = list(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes) else []
    if len(listed) != 2:
        raise ChoiceError(f"fixed is {_shown(value)}; give height and width in pixels.")
    return _side("fixed", listed[0], MAX_SIZE), _side("fixed", listed[1], MAX_SIZE)


def _side(name: str, value: Any, most: int) -> int:
    try:
        side = 0 if isinstance(value, bool) else index(value)
    except TypeError:
        side = 0
    if not 1 <= side <= most:
        raise ChoiceError(f"{name} is {_shown(value)}; give a whole number of pixels from 1 to {most}.")
    return side


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}..."
