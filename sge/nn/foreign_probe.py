"""Finds by trying which formula a module of somebody else computes: drawn features in, masks out.

The module runs as a view with drawn parameters, in eval mode, without hooks, on the CPU. The masks are its output divided
by its input; from them follow the similarity, what the products were divided by, and so the formula's variant. Then the
formula must give the module's output on features of another size.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sge.errors import SGEError
from sge.nn.formula import Formula
from sge.nn.module import group_products, without_autocast
from sge.nn.views import eval_view
from sge.text import printable

MAX_GROUPS, MAX_CHANNELS = 1024, 8192
"""Modules with more are not tried."""
SCALES = (1.0, 3e-2, 3e-3, 3e-4)
"""Of the features of each drawn image. The products' deviations are about the squares, so that eps shows."""
SIZES = ((6, 7), (9, 5))
CHECKED = (4, 11)
"""Height and width of the features on which the found formula is compared."""
PRECISIONS = ((torch.float64, 1e-6), (torch.float32, 2e-3))
"""Dtypes in which a module is tried, and the relative difference that is taken for rounding."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

Names = tuple[str, str]


@dataclass(frozen=True)
class Found:
    """What a module computes."""

    formula: Formula
    names: Names
    """Of the parameters that scale and shift the similarity."""
    in_place: bool
    """Whether the output takes the place of the input."""


class NoFormula(Exception):  # noqa: N818  It is an answer, which the caller turns into words.
    """Why a module computes none of the formulas; a clause that follows the module's name."""


def identify(module: nn.Module, names: Names, groups: int) -> Found:
    """The formula of a module that has two parameters of one number for each group.

    The module stays as it is: parameters, buffers, hooks, mode and the state of random numbers.

    Raises:
        NoFormula: It computes none.
    """
    if groups > MAX_GROUPS:
        raise NoFormula(f"has {groups} groups, more than {MAX_GROUPS}")
    state = torch.get_rng_state()
    problem = NoFormula()
    try:
        with torch.device("cpu"), torch.no_grad(), torch.inference_mode(False), without_autocast("cpu"):
            for dtype, tolerance in PRECISIONS:
                try:
                    return _Trial(module, names, groups, dtype, tolerance).found()
                except NoFormula as error:
                    problem = error
    finally:
        if not torch.equal(state, torch.get_rng_state()):
            torch.set_rng_state(state)
    raise problem


@dataclass
class _Response:
    """Input and output of one pass, (N, C, h, w), float64."""

    x: Tensor
    out: Tensor


class _Trial:
    """Runs a view of a module in one dtype."""

    def __init__(
        self, module: nn.Module, names: Names, groups: int, dtype: torch.dtype, tolerance: float
    ) -> None:
        self._module = module
        self._random = torch.Generator().manual_seed(0)
        self._names = names
        self._groups = groups
        self._dtype = dtype
        self._tolerance = tolerance
        self._in_place = False
        shapes = {name: module._parameters[name].shape for name in names}  # type: ignore[union-attr]
        signs = torch.randn(2, groups, generator=self._random).sign()
        drawn = signs * (torch.rand(2, groups, generator=self._random) + 0.5)
        self._drawn = {
            name: row.reshape(shapes[name]).to(dtype) for name, row in zip(names, drawn, strict=True)
        }

    def found(self) -> Found:
        """See ``identify``."""
        responses = list(self._responses())
        order = self._order(responses)
        arranged = Formula(self._groups, order=order).consecutive
        responses = [_Response(arranged(one.x), arranged(one.out)) for one in responses]
        masks = [self._grouped(one.out / one.x).mean(2) for one in responses]
        residual = all(bool(((mask > 1) & (mask < 2)).all()) for mask in masks)
        masks = [mask - 1 if residual else mask for mask in masks]
        if not all(bool(((mask > 0) & (mask < 1)).all()) for mask in masks):
            raise NoFormula("multiplies by values that are not between 0 and 1, as those of a sigmoid are")
        names, parts = self._similarity(responses, masks)
        formula = replace(self._formula(parts, order), residual=residual)
        self._check(formula, names, responses[0].x.shape[1])
        return Found(formula, names, self._in_place)

    def _responses(self) -> Iterator[_Response]:
        """Passes with one or two numbers of channels."""
        problem: NoFormula | None = None
        done = 0
        for channels in _channels(self._module, self._groups):
            try:
                one = self._run(self._features((len(SCALES), channels, *SIZES[done])))
            except NoFormula as error:
                problem = problem or error
                continue
            yield one
            done += 1
            if done == len(SIZES):
                return
        if not done:
            raise problem or NoFormula("takes no number of channels that its groups divide")

    def _features(self, shape: tuple[int, ...]) -> Tensor:
        drawn = torch.randn(shape, generator=self._random, dtype=torch.float64)
        drawn += 0.5 * torch.randn((*shape[:2], 1, 1), generator=self._random, dtype=torch.float64)
        drawn = torch.where(drawn.abs() < 0.05, drawn.sign() * 0.05 + 0.05 * (drawn == 0), drawn)
        scales = torch.tensor((SCALES * shape[0])[: shape[0]], dtype=torch.float64)
        return (drawn * scales[:, None, None, None]).to(self._dtype)

    def _run(self, x: Tensor) -> _Response:
        try:
            view = _drawn_view(self._module, self._drawn, self._dtype)
            given = x.clone()
            out: Any = view.forward(given)
        except SGEError as error:
            raise NoFormula(f"cannot be run ({error})") from error
        except Exception as error:  # A foreign forward may raise anything.
            told = (
                printable(str(error).strip().splitlines()[0]) if str(error).strip() else type(error).__name__
            )
            raise NoFormula(f"fails on features of shape {tuple(x.shape)} ({told})") from error
        if not isinstance(out, Tensor) or out.shape != x.shape:
            told = f"shape {tuple(out.shape)}" if isinstance(out, Tensor) else type(out).__name__
            raise NoFormula(f"returns {told} for features of shape {tuple(x.shape)}")
        if not out.is_floating_point() or not bool(torch.isfinite(out).all()):
            raise NoFormula("returns values that are not finite numbers")
        self._in_place = not torch.equal(given, x)
        return _Response(x.double(), out.double())

    def _order(self, responses: list[_Response]) -> Literal["consecutive", "interleaved"]:
        orders: tuple[Literal["consecutive", "interleaved"], ...] = ("consecutive", "interleaved")
        for order in orders:
            arranged = Formula(self._groups, order=order).consecutive
            if all(self._is_one_mask(arranged(one.out / one.x)) for one in responses):
                return order
        raise NoFormula("does not multiply the channels of each group by one mask")

    def _is_one_mask(self, ratio: Tensor) -> bool:
        grouped = self._grouped(ratio)
        apart = (grouped.amax(2) - grouped.amin(2)).max()
        return bool(apart <= self._tolerance)

    def _grouped(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), self._groups, -1, *x.shape[2:])

    def _similarity(
        self, responses: list[_Response], masks: list[Tensor]
    ) -> tuple[Names, list[tuple[Tensor, Tensor, int]]]:
        """Names of scale and shift; by pass: centered products, their denominators, channels of a group."""
        for names in (self._names, (self._names[1], self._names[0])):
            weight, bias = (self._drawn[name].double().reshape(1, -1, 1, 1) for name in names)
            parts = []
            for response, mask in zip(responses, masks, strict=True):
                c = group_products(response.x, self._groups)
                centered = c - c.mean((2, 3), keepdim=True)
                t = (torch.logit(mask) - bias) / weight
                denominator = centered.square().sum((2, 3)) / (centered * t).sum((2, 3))
                largest = max(float(t.abs().max()), 1.0)
                apart = (t - centered / denominator[:, :, None, None]).abs().max()
                if not apart <= self._tolerance * largest:
                    break
                parts.append((centered, denominator, response.x.shape[1] // self._groups))
            else:
                return names, parts
        raise NoFormula(
            "multiplies by masks that are not the sigmoid of the scaled and shifted similarity of features to their "
            "group's mean"
        )

    def _formula(
        self, parts: list[tuple[Tensor, Tensor, int]], order: Literal["consecutive", "interleaved"]
    ) -> Formula:
        best, least = Formula(self._groups), float("inf")
        for deviation, where, products in itertools.product(
            ("unbiased", "biased"), ("std", "variance"), ("sum", "mean")
        ):
            kind: Any = {"deviation": deviation, "eps_in": where, "products": products}
            formula = Formula(self._groups, order=order, **kind)
            pairs = [_deviations(formula, *part) for part in parts]
            stds, denominators = (torch.cat([pair[i].flatten() for pair in pairs]) for i in (0, 1))
            for eps in _possible_eps(where, stds, denominators):
                tried = replace(formula, eps=eps)
                apart = float((tried.denominator(stds) / denominators - 1).abs().max())
                if apart < least * 0.5:  # An earlier variant that is as good is the more common one.
                    best, least = tried, apart
        if not least <= self._tolerance:
            raise NoFormula(
                "standardizes the similarity neither by a standard deviation with eps nor by a variance with eps"
            )
        return _rounded(best, parts, max(2 * least, self._tolerance / 10))

    def _check(self, formula: Formula, names: Names, channels: int) -> None:
        x = self._features((2, channels, *CHECKED))
        response = self._run(x)
        weight, bias = (self._drawn[name].double().reshape(1, -1, 1, 1) for name in names)
        mask = torch.sigmoid(formula.similarity(response.x) * weight + bias)
        apart = ((formula.multiplied(response.x, mask) - response.out) / response.x).abs().max()
        if not apart <= self._tolerance:
            raise NoFormula("computes something else on features of another size")


def _channels(module: nn.Module, groups: int) -> list[int]:
    """Numbers of channels to try: those that the module states, then multiples of the groups."""
    stated = [
        value
        for value in vars(module).values()
        if type(value) is int and groups < value <= MAX_CHANNELS and value % groups == 0
    ]
    tried = [*dict.fromkeys(stated), 4 * groups, 3 * groups, 2 * groups, groups]
    return list(dict.fromkeys(tried))


def _drawn_view(module: nn.Module, drawn: dict[str, Tensor], dtype: torch.dtype) -> nn.Module:
    view = eval_view(module)
    for one in view.modules():
        for kind in _HOOKS:
            setattr(one, kind, type(getattr(one, kind))())
        for name, value in one._buffers.items():
            if value is not None:
                moved = value.detach().cpu().clone()
                one._buffers[name] = moved.to(dtype) if moved.is_floating_point() else moved
        for name, value in vars(one).items():
            if type(value) in (list, dict, set, deque) and not name.startswith("_"):
                vars(one)[name] = value.copy()  # The pass may note something there.
    for name, value in drawn.items():
        view._parameters[name] = nn.Parameter(value.clone(), requires_grad=False)
    return view


def _deviations(
    formula: Formula, centered: Tensor, denominator: Tensor, per_group: int
) -> tuple[Tensor, Tensor]:
    """Standard deviations of products as the formula has them, and what it divides them by; (N, G) each."""
    scale = 1 / per_group if formula.products == "mean" else 1.0
    freedom = centered.shape[2] * centered.shape[3] - (formula.deviation == "unbiased")
    return scale * (centered.square().sum((2, 3)) / freedom).sqrt(), scale * denominator


def _possible_eps(where: str, stds: Tensor, denominators: Tensor) -> list[float]:
    """What is added, by the quarter of the maps where it weighs most; and 0."""
    rest = denominators - stds if where == "std" else denominators.square() - stds.square()
    smallest = stds.argsort()[: max(1, len(stds) // 4)]
    return [0.0, max(0.0, float(rest[smallest].median()))]


def _rounded(formula: Formula, parts: list[tuple[Tensor, Tensor, int]], tolerance: float) -> Formula:
    """The formula with an eps of few digits, where that fits as well."""
    pairs = [_deviations(formula, *part) for part in parts]
    for digits in (1, 2, 3, 4):
        tried = replace(formula, eps=float(f"{formula.eps:.{digits - 1}e}"))
        if all(bool(((tried.denominator(s) / d - 1).abs() <= tolerance).all()) for s, d in pairs):
            return tried
    return formula
