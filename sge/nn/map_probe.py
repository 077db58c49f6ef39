"""Finds by trying where a module of somebody else multiplies features by a spatial map, as CBAM, BAM and others do.

The map is the output of one sigmoid in the module's forward pass. It is found by its effect: put in its place, other
values must scale the output, position by position, in proportion.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from sge.nn.module import without_autocast
from sge.nn.views import eval_view

MAX_MAPS = 2048
SIZE = (9, 7)
"""Height and width of the drawn features."""
PRECISIONS = ((torch.float64, 1e-6), (torch.float32, 1e-3))
"""Dtypes in which a module is tried, and the relative difference that is taken for rounding."""
_IN_PLACE = frozenset((torch.sigmoid_, Tensor.sigmoid_))
_SIGMOIDS = frozenset((torch.sigmoid, Tensor.sigmoid, torch.special.expit, F.hardsigmoid)) | _IN_PLACE
_PRODUCTS = frozenset(
    (
        torch.mul,
        torch.multiply,
        Tensor.mul,
        Tensor.mul_,
        Tensor.multiply,
        Tensor.__mul__,
        Tensor.__rmul__,
        Tensor.__imul__,
    )
)
_MAX_TRIED = 6
"""Numbers of channels that are tried."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

Answer = Callable[[int, Tensor, Tensor], Tensor]
"""Receives the number of a sigmoid in a pass, its logits and its output; returns what takes the output's place."""


@dataclass(frozen=True)
class FoundMap:
    """Which sigmoid of a module's pass is the map, and of how many maps it consists."""

    call: int
    maps: int


class SigmoidCalls(TorchFunctionMode):
    """Context manager in which an answer takes the place of each sigmoid's output."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer
        self._calls = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Calls the function, and the answer after a sigmoid."""
        kwargs = kwargs or {}
        if func not in _SIGMOIDS:
            return func(*args, **kwargs)
        logits, *rest = args or (kwargs["input"],)
        in_place = func in _IN_PLACE or True in rest or bool(kwargs.get("inplace"))
        given = logits.clone() if in_place else logits
        out = F.hardsigmoid(given) if func is F.hardsigmoid else torch.sigmoid(given)
        number, self._calls = self._calls, self._calls + 1
        answered = self._answer(number, given, out)
        if "out" in kwargs:
            return kwargs["out"].copy_(answered)
        return logits.copy_(answered) if in_place else answered


def identify_map(module: nn.Module) -> FoundMap | str | None:
    """The map of a module; in place of that a clause if it has a sigmoid over positions that is none; else None.

    The module stays as it is: parameters, buffers, hooks, mode and the state of random numbers.
    """
    state = torch.get_rng_state()
    found: FoundMap | str | None = None
    try:
        with torch.device("cpu"), torch.no_grad(), torch.inference_mode(False), without_autocast("cpu"):
            for dtype, tolerance in PRECISIONS:
                for channels in _channels(module):
                    try:
                        found = _Trial(module, channels, dtype, tolerance).found() or found
                    except Exception:  # A foreign forward may raise anything; other channels may fit.
                        continue
                    if isinstance(found, FoundMap):
                        return found
    finally:
        torch.set_rng_state(state)
    return found


def _channels(module: nn.Module) -> Sequence[tuple[int, ...]]:
    """Numbers of channels of the inputs to try: those that layers take or attributes state."""
    found: list[int] = []
    for one in module.modules():
        for name in ("in_channels", "in_features", "num_features", "num_channels"):
            value = getattr(one, name, None)
            found += [value] if type(value) is int else []
    found += [value for value in vars(module).values() if type(value) is int]
    fitting = [value for value in dict.fromkeys(found) if 2 < value <= 8192]
    fitting = [*fitting[: _MAX_TRIED - 1], 16]
    needed = [
        one
        for one in inspect.signature(type(module).forward).parameters.values()
        if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD
    ]
    if len(needed) < 3:  # Itself and the features.
        return [(one,) for one in fitting]
    return list(permutations(fitting[:3], 2)) + [
        (one, one) for one in fitting[:2]
    ]  # A gate beside the features.


class _Trial:
    """Runs a view of a module with drawn parameters."""

    def __init__(
        self, module: nn.Module, channels: tuple[int, ...], dtype: torch.dtype, tolerance: float
    ) -> None:
        self._random = torch.Generator().manual_seed(0)
        self._tolerance = tolerance
        self._x, *self._others = (self._drawn((2, count, *SIZE)).to(dtype) for count in channels)
        self._view = eval_view(module)
        for one in self._view.modules():
            for kind in _HOOKS:
                setattr(one, kind, type(getattr(one, kind))())
            for name, value in one._parameters.items():
                if value is not None:
                    drawn = self._drawn(tuple(value.shape)) / max(1, value[:1].numel()) ** 0.5
                    one._parameters[name] = nn.Parameter(drawn.to(dtype), requires_grad=False)
            for name, buffer in one._buffers.items():
                if buffer is not None:
                    moved = (
                        torch.ones_like(buffer, device="cpu")
                        if name == "running_var"
                        else buffer.cpu().clone()
                    )
                    one._buffers[name] = moved.to(dtype) if moved.is_floating_point() else moved

    def found(self) -> FoundMap | str | None:
        """See ``identify_map``."""
        calls: list[Tensor] = []

        def note(_number: int, _logits: Tensor, out: Tensor) -> Tensor:
            calls.append(out)
            return out

        with _Products() as products:
            out = self._run(self._x, note)
        why = None
        for call in reversed(range(len(calls))):
            layout = layout_of(calls[call], self._x)
            if layout is None or not bool((calls[call].reshape(2, layout[0], -1).std(2) > 1e-9).any()):
                continue
            direct = products.spread(calls[call]) and out.dim() == 4 and out.shape[1] % layout[0] == 0
            if direct or self._multiplies(call, layout, calls[call]):
                return FoundMap(call, layout[0])
            why = "has a sigmoid over positions, and neither it nor a module around it multiplies features by that alone"
        return why

    def _multiplies(self, call: int, layout: tuple[int, int, int], mask: Tensor) -> bool:
        """Whether the output is a constant plus something times the map, and not the map itself."""
        maps, height, width = layout
        drawn = torch.rand((2, maps, height, width), generator=self._random).to(self._x.dtype)
        empty, full, half = (
            self._run(self._x, partial(_replaced, call, value.reshape(mask.shape)))
            for value in (torch.zeros_like(drawn), torch.ones_like(drawn), drawn)
        )
        if full.dim() != 4 or full.shape[2:] != drawn.shape[2:] or full.shape[1] % maps:
            return False
        change = full - empty
        spread = drawn.repeat_interleave(full.shape[1] // maps, 1)
        constant = float(change.amax() - change.amin()) <= self._tolerance * float(change.abs().amax())
        if constant or not self._same(half - empty, spread * change):
            return False
        if maps < full.shape[1] or maps == 1:
            return True
        if full.shape != self._x.shape or not (self._same(empty, 0 * empty) or self._same(empty, change)):
            return False
        factor = change / self._x  # A gate of one number a channel may act beside the map.
        return self._same(factor, factor[:, :, :1, :1].expand_as(factor)) and self._is_wide(call, mask)

    def _is_wide(self, call: int, mask: Tensor) -> bool:
        """Whether an element of the features decides about other elements of the map, which an activation's does not."""
        x = self._x.clone()
        x[:, 0, 0, 0] += 1
        seen: list[Tensor] = []

        def note(_number: int, _logits: Tensor, out: Tensor) -> Tensor:
            seen.append(out)
            return out

        self._run(x, note)
        return int((seen[call] != mask).sum()) > len(x)

    def _same(self, a: Tensor, b: Tensor) -> bool:
        return bool((a - b).abs().max() <= self._tolerance * max(1.0, float(b.abs().max())))

    def _run(self, x: Tensor, answer: Answer) -> Tensor:
        with SigmoidCalls(answer):
            out: Any = self._view.forward(x.clone(), *(one.clone() for one in self._others))
        if not isinstance(out, Tensor) or not bool(torch.isfinite(out).all()):
            raise ValueError("no finite tensor")
        return out

    def _drawn(self, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self._random, dtype=torch.float64)


class _Products(TorchFunctionMode):
    """Context manager that notes which tensors are multiplied by others that are larger along one dimension."""

    def __init__(self) -> None:
        super().__init__()
        self._factors: list[Tensor] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Calls the function."""
        if func in _PRODUCTS and len(args) == 2 and all(isinstance(one, Tensor) for one in args):
            for one, other in (args, args[::-1]):
                apart = [(a, b) for a, b in zip(one.shape, other.shape, strict=False) if a != b]
                if one.dim() == other.dim() >= 4 and len(apart) == 1 and apart[0][0] == 1:
                    self._factors.append(one)
        return func(*args, **(kwargs or {}))

    def spread(self, mask: Tensor) -> bool:
        """Whether a tensor itself is multiplied so."""
        return any(one.data_ptr() == mask.data_ptr() and one.numel() == mask.numel() for one in self._factors)


def layout_of(out: Tensor, x: Tensor) -> tuple[int, int, int] | None:
    """Maps, height and width of a sigmoid's output for features (N, C, h, w); None if it is not over positions."""
    height, width = out.shape[-2:] if out.dim() >= 4 else x.shape[2:]
    maps, rest = divmod(out.numel(), len(x) * height * width)
    flat = out.dim() < 4 and out.shape[-1:] != (height * width,) and out.shape[-2:] != (height, width)
    return (
        None if rest or flat or min(height, width) < 2 or not 0 < maps <= MAX_MAPS else (maps, height, width)
    )


def with_maps(answer: Callable[[Tensor, Tensor], Tensor], found: FoundMap, x: Tensor) -> Answer:
    """An answer to all sigmoids of a pass from one to the map alone, which receives logits and map as (N, maps, h, w)."""

    def answered(number: int, logits: Tensor, out: Tensor) -> Tensor:
        if number != found.call:
            return out
        height, width = out.shape[-2:] if out.dim() >= 4 else x.shape[2:]
        shape = (x.shape[0], found.maps, height, width)
        mask = answer(logits.reshape(shape), out.reshape(shape))
        return mask.to(out.dtype).reshape(out.shape)

    return answered


def _replaced(call: int, value: Tensor, number: int, _logits: Tensor, out: Tensor) -> Tensor:
    return value if number == call else out


def has_sigmoid(module: nn.Module) -> bool:
    """Whether a module in it is named a sigmoid, as those of torch and timm are."""
    return any("sigmoid" in type(one).__name__.lower() for one in module.modules())
