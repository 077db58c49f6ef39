"""Insertion and deletion curves and average drop of one map on one image.

Insertion and deletion follow RISE (Petsiuk, Das, Saenko, BMVC 2018, https://arxiv.org/abs/1806.07421) with one baseline
for both, the blurred image. Average drop follows Grad-CAM++ (Chattopadhay et al., WACV 2018, section 4.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2.functional import gaussian_blur

from sge.arrays import Array
from sge.errors import ChoiceError, ShapeError

BLUR = 1 / 20
"""Standard deviation of the baseline's Gaussian blur, as a fraction of the input's shorter side."""
LEVELS = 10**6
"""Values of a map that differ by less than one of so many levels of its range count as equal."""

Score = Callable[[Tensor], Array]
"""Network inputs (N, 3, h, w) to the target's probability of each, (N,) float32."""


@dataclass(frozen=True, eq=False)
class Curves:
    """The target's probability while pixels are inserted or deleted, the most salient first."""

    insertion: Array
    """(steps + 1,), float32: from the baseline to the image."""
    deletion: Array
    """(steps + 1,), float32: from the image to the baseline."""
    masked: float
    """Probability for the image multiplied by the map, which is scaled to 0 to 1."""

    @property
    def drop(self) -> float:
        """Relative drop of the probability on the masked image, 0 to 1; a rise counts as 0."""
        before = float(self.insertion[-1])
        return max(0.0, before - self.masked) / before if before > 0 else 0.0

    @property
    def increase(self) -> bool:
        """Whether the masked image has a higher probability than the image."""
        return self.masked > float(self.insertion[-1])


def curves(score: Score, image: Tensor, saliency: Array, ties: Array, steps: int, ends: Array) -> Curves:
    """Insertion and deletion curves and the masked image's probability, in one batch.

    Args:
        score: Of the target.
        image: Normalized network input, (3, h, w).
        saliency: Map of any resolution, larger where more salient; resized bilinearly to the input.
        ties: Map of any resolution that orders pixels of equal saliency, such as those that Grad-CAM sets to 0.
        steps: Number of steps of equally many pixels.
        ends: (2,), the target's probability for the image and for its baseline, which all maps share.

    Raises:
        ChoiceError: fewer than 2 steps.
        ShapeError: a map is not two-dimensional or not finite.
    """
    check_steps(steps)
    first = first_pixels(pixel_order(saliency, ties, image.shape[1:]), steps)[1:-1].to(image.device)
    base = blurred(image)
    inputs = [torch.where(first, image, base), torch.where(first, base, image)]
    scores = score(torch.cat([*inputs, (image * scaled(saliency, image.shape[1:]).to(image.device))[None]]))
    full, empty = ends[:1], ends[1:]
    return Curves(
        np.concatenate([empty, scores[: steps - 1], full]),
        np.concatenate([full, scores[steps - 1 : -1], empty]),
        float(scores[-1]),
    )


def check_steps(steps: int) -> None:
    """Checks the number of steps of a curve.

    Raises:
        ChoiceError: fewer than 2.
    """
    if steps < 2:
        raise ChoiceError(f"steps is {steps}; choose at least 2 steps for a curve.")


def area(curve: Array) -> float:
    """Area under a curve over the fraction of pixels, by the trapezoidal rule; a constant curve c gives c.

    Args:
        curve: (steps + 1,), at equal distances.
    """
    return float(np.trapezoid(curve.astype(np.float64)) / (len(curve) - 1))


def blurred(image: Tensor) -> Tensor:
    """The baseline: the image under a Gaussian blur whose standard deviation is 1/20 of the shorter side.

    Args:
        image: (3, h, w).
    """
    sigma = BLUR * min(image.shape[1:])
    # The kernel ends at three standard deviations, but must be narrower than twice the image.
    radius = min(round(3 * sigma), min(image.shape[1:]) - 1)
    out: Tensor = gaussian_blur(image, [2 * radius + 1] * 2, [sigma, sigma])
    return out


def scaled(saliency: Array, size: tuple[int, ...]) -> Tensor:
    """The map scaled to 0 to 1 and resized bilinearly, (h, w) float32; a constant map gives 0.

    Args:
        saliency: (rows, columns), any range.
        size: Height and width.

    Raises:
        ShapeError: the map is not two-dimensional, or holds a value that is not finite.
    """
    if saliency.ndim != 2 or not saliency.size or not np.isfinite(saliency).all():
        raise ShapeError(
            f"A map of shape {saliency.shape} cannot be ranked; give (rows, columns) of finite values."
        )
    values = torch.from_numpy(np.asarray(saliency, np.float64))
    values = torch.zeros_like(values) if is_constant(saliency) else values - values.min()
    values = values / values.max().clamp_min(torch.finfo(torch.float64).tiny)
    resized = F.interpolate(values[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    return resized.float()


def is_constant(saliency: Array) -> bool:
    """Whether the values differ by no more than rounding, so that the map orders nothing."""
    values = np.asarray(saliency, np.float64)
    return bool(np.ptp(values) <= np.abs(values).max() / LEVELS)


def pixel_order(saliency: Array, ties: Array, size: tuple[int, ...]) -> Tensor:
    """Pixel numbers in row-major order, the most salient first, (h * w,) int64.

    Args:
        saliency: (rows, columns).
        ties: (rows, columns); among pixels of equal saliency, the larger value comes first.
        size: Height and width.

    Raises:
        ShapeError: as ``scaled``.
    """
    by_ties = scaled(ties, size).flatten().argsort(descending=True, stable=True)
    levels = (scaled(saliency, size).flatten() * LEVELS).round()
    return by_ties[levels[by_ties].argsort(descending=True, stable=True)].reshape(size)


def first_pixels(order: Tensor, steps: int) -> Tensor:
    """Which pixels are among the first k/steps, for k = 0 to steps: (steps + 1, 1, h, w) bool.

    Args:
        order: (h, w), pixel numbers in the order of ``pixel_order``.
        steps: Number of steps.
    """
    count = order.numel()
    rank = torch.empty(count, dtype=torch.int64)
    rank[order.flatten()] = torch.arange(count)
    ends = torch.arange(steps + 1) * count // steps
    return rank.reshape(1, 1, *order.shape) < ends[:, None, None, None]
