"""The variants of the SGE formula that circulate: one mask for each group, standardized in different ways.

The paper's is ``t = (c - mean(c)) / (std(c) + 1e-5)`` with the unbiased deviation and groups of consecutive channels.
Copies of the module differ in the deviation, in eps and what it is added to, in a mean over channels in place of the
sum, and in which channels form a group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sge.nn.module import EPS, group_products, masked, without_autocast


@dataclass(frozen=True)
class Formula:
    """How an SGE module computes its similarity, and which channels its masks multiply."""

    groups: int
    deviation: Literal["unbiased", "biased"] = "unbiased"
    """Whether H*W - 1 or H*W divides the squares."""
    eps: float = EPS
    eps_in: Literal["std", "variance"] = "std"
    """Whether eps is added to the deviation or, under the root, to its square."""
    order: Literal["consecutive", "interleaved"] = "consecutive"
    """Whether group g has the channels g*k to g*k + k - 1, or the channels g, g + G, g + 2 G and so on."""
    products: Literal["sum", "mean"] = "sum"
    """Whether the products of features and mean feature are summed over a group's channels, or averaged."""
    residual: bool = False
    """Whether the features are added to the masked ones: ``x + x * mask``."""

    @property
    def is_standard(self) -> bool:
        """Whether it is the paper's formula, with any eps."""
        return self == Formula(self.groups, eps=self.eps)

    def similarity(self, x: Tensor) -> Tensor:
        """Standardized products (eq. 1-3) by this formula.

        Args:
            x: Features, (N, C, H, W), any floating dtype; the groups divide C.

        Returns:
            (N, groups, H, W), float32, or float64 for such an input. A map of one position is not a number with the
            unbiased deviation, as in the module itself.
        """
        with without_autocast(x.device.type):
            c = group_products(self.consecutive(x), self.groups)
            if self.products == "mean":
                c = c * (self.groups / x.shape[1])
            return self.standardized(c)

    def standardized(self, c: Tensor) -> Tensor:
        """Maps (..., H, W) with mean 0 and deviation 1 over space, by this formula; same shape and dtype."""
        return standardized(c, self.eps, self.deviation == "unbiased", self.eps_in == "variance")

    def denominator(self, std: Tensor) -> Tensor:
        """What the centered products are divided by, from their deviation."""
        return std + self.eps if self.eps_in == "std" else (std.square() + self.eps).sqrt()

    def multiplied(self, x: Tensor, mask: Tensor) -> Tensor:
        """Features (N, C, H, W) times the masks (N, groups, H, W) of their groups, in the dtype of ``x``.

        With ``residual`` the features are added.
        """
        if self.residual:
            mask = mask + 1
        if self.order == "consecutive":
            return masked(x, mask)
        grouped = x.reshape(len(x), -1, self.groups, *x.shape[2:])
        out: Tensor = (grouped * mask.to(x.dtype).unsqueeze(1)).flatten(1, 2)
        return out

    def consecutive(self, x: Tensor) -> Tensor:
        """Features with the channels of each group beside each other."""
        if self.order == "consecutive":
            return x
        apart = x.reshape(len(x), -1, self.groups, *x.shape[2:])
        return apart.transpose(1, 2).flatten(1, 2)

    def __str__(self) -> str:
        """In words."""
        where = "standard deviation" if self.eps_in == "std" else "variance"
        told = f"{self.groups} groups of {self.order} channels, {self.deviation} deviation"
        told += f", eps {self.eps:g} added to the {where}" if self.eps else ", no eps"
        told += ", products averaged over the channels" if self.products == "mean" else ""
        return told + (", features added to the masked ones" if self.residual else "")


def standardized(c: Tensor, eps: float, unbiased: bool, in_variance: bool) -> Tensor:
    """``Formula.standardized`` as a function that torch.jit can script."""
    centered = c - c.mean((-2, -1), keepdim=True)
    freedom = c.shape[-2] * c.shape[-1]
    if unbiased:
        freedom -= 1
    std = torch.linalg.vector_norm(centered, dim=(-2, -1), keepdim=True) / freedom**0.5
    similarity: Tensor = centered / ((std.square() + eps).sqrt() if in_variance else std + eps)
    return similarity
