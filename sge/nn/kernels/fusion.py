"""When the SGE module may use its GPU kernel, and the kernel as an operation that autograd and torch.compile know.

The eager module defines what is computed; the kernel computes the same with fewer passes over memory. It is used where
all of this holds, and the eager code everywhere else: a CUDA tensor of float32, bfloat16 or float16 in a dense memory
format, Triton installed, no hook on the gate that changes the mask or needs its gradient, no tracing, export or functorch
transform. ``without_fused_gates`` turns it off.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.autograd.function import FunctionCtx
from torch.utils._python_dispatch import _get_current_dispatch_mode

log = logging.getLogger(__name__)

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_MOST_CHANNELS, _MOST_ELEMENTS = 256, 2**31 - 1
"""Largest group and largest image (its offsets are 32-bit numbers) that the kernels take."""
_HAS_TRITON = find_spec("triton") is not None
_LOCK = threading.Lock()
_off = 0
"""How many ``without_fused_gates`` are open, in all threads."""

Eager = Callable[[Tensor, Tensor, Tensor, int, float], Tensor]
"""The readable computation; the gradient of a gradient goes through it."""


@contextmanager
def without_fused_gates() -> Iterator[None]:
    """Context manager in which SGE modules use the eager code on every device, in all threads of the process.

    ``with without_fused_gates(): network(x)``. Results differ from those of the kernel by rounding only. A network that
    torch.compile compiled is compiled anew when it is first called inside.
    """
    global _off
    with _LOCK:
        _off += 1
    try:
        yield
    finally:
        with _LOCK:
            _off -= 1


def may_fuse(x: Tensor, weight: Tensor, groups: int) -> bool:
    """Whether the kernel takes this input; hooks and gradients are the caller's to look at."""
    if not isinstance(x, Tensor) or _off or not _HAS_TRITON or not _on_gpu(x) or x.dtype not in _DTYPES:
        return False
    if _transformed(x):
        return False
    images, channels, height, width = x.shape
    shaped = (
        channels // groups <= _MOST_CHANNELS
        and 0 < channels * height * width <= _MOST_ELEMENTS
        and images > 0
    )
    dense = x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last)
    alike = shaped and dense and weight.device == x.device and weight.is_contiguous()
    return alike and (torch.compiler.is_compiling() or _works(x.device))


def _on_gpu(x: Tensor) -> bool:
    return x.is_cuda and torch.version.hip is None


@cache
def _works(device: torch.device) -> bool:
    """Whether Triton can build and start a kernel, which also needs a C compiler; tried once for each device."""
    try:
        one = torch.ones((1, 1, 1, 1), device=device)
        _launch().forward(one, one, one, 1, 1.0)
    except Exception as error:  # of Triton, a compiler or the driver: whatever it is, the eager code works
        log.warning("SGE runs without its GPU kernel, because Triton does not work here: %s", error)
        return False
    return True


def _transformed(x: Tensor) -> bool:
    """Whether the call is recorded, exported or transformed by something that must see the eager operations."""
    if torch.compiler.is_compiling():
        return bool(getattr(torch.compiler, "is_exporting", bool)())
    return (
        type(x) not in (Tensor, torch.nn.Parameter)
        or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        or _get_current_dispatch_mode() is not None
        or torch._C._functorch.peek_interpreter_stack() is not None
        or forward_ad._current_level >= 0
    )


def fused_gate(
    x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float, eager: Eager | None = None
) -> Tensor:
    """Features times the masks of their groups, by the kernel; differentiable.

    Args:
        x: (N, C, H, W), contiguous or channels_last; float32, bfloat16 or float16. Statistics are in float32.
        weight: (1, G, 1, 1).
        bias: (1, G, 1, 1).
        groups: G, which divides C.
        eps: Added to the standard deviation of each map.
        eager: Computes the same by differentiable operations of torch; needed for the gradient of a gradient only.

    Returns:
        Same shape, dtype and memory format as ``x``.
    """
    if torch.compiler.is_compiling():
        op: tuple[Tensor, Tensor, Tensor] = _forward_op(x, weight, bias, groups, eps)
        return op[0]
    if torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad or bias.requires_grad):
        out: Tensor = _FusedGate.apply(x, weight, bias, groups, eps, eager)
        return out
    plain: Tensor = _launch().forward(x, weight, bias, groups, eps)[0]
    return plain


def fused_gate_with_maps(
    x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Output, similarity and mask, in one pass and without a gradient.

    Args:
        x: As ``fused_gate``.
        weight: Likewise.
        bias: Likewise.
        groups: Likewise.
        eps: Likewise.

    Returns:
        Output as ``fused_gate``; similarity and mask, (N, G, H, W) in float32 and the memory format of ``x``.
    """
    with torch.no_grad():
        out, _, _, similarity, mask = _launch().forward(x, weight, bias, groups, eps, maps=True)
    return out, similarity, mask


def _launch() -> Any:
    # Triton is imported by the first use on a GPU: it takes a second, and is not installed everywhere.
    from sge.nn.kernels import launch

    return launch


class _FusedGate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float, eager: Eager | None
    ) -> Tensor:
        out, mean, stats, _, _ = _launch().forward(x, weight, bias, groups, eps, save=True)
        ctx.save_for_backward(x, weight, bias, mean, stats)
        ctx.groups, ctx.eps, ctx.eager = groups, eps, eager
        result: Tensor = out
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (dy,) = grads
        x, weight, bias, mean, stats = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient is itself to be differentiated
            of = _eager_gradients(ctx, x, weight, bias, dy)
            return *of, None, None, None
        dx, sums = _gradients(x, dy, weight, bias, mean, stats, ctx.groups, ctx.eps)
        return dx, *_shaped(sums, weight, bias), None, None, None


def _eager_gradients(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, dy: Tensor) -> list[Tensor | None]:
    if ctx.eager is None:
        raise RuntimeError("The gradient of this gradient needs the eager function; pass it as eager=.")
    tensors = (x, weight, bias)
    wanted = [t for t, needs in zip(tensors, ctx.needs_input_grad, strict=False) if needs]
    out = ctx.eager(x, weight, bias, ctx.groups, ctx.eps)
    found = iter(torch.autograd.grad(out, wanted, dy, create_graph=True))
    return [next(found) if needs else None for needs in ctx.needs_input_grad[:3]]


def _gradients(
    x: Tensor, dy: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, stats: Tensor, groups: int, eps: float
) -> tuple[Tensor, Tensor]:
    layout = torch.contiguous_format if x.is_contiguous() else torch.channels_last
    dy = dy.to(x.dtype).contiguous(memory_format=layout)
    dx, sums = _launch().backward(x, dy, weight, bias, mean, stats, groups, eps)
    return dx, sums


def _shaped(sums: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of weight and bias, from (2, G)."""
    of_weight, of_bias = sums.unbind()
    return of_weight.reshape_as(weight).to(weight.dtype), of_bias.reshape_as(bias).to(bias.dtype)


@torch.library.custom_op("sge::gate", mutates_args=())
def _forward_op(
    x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    out, mean, stats, _, _ = _launch().forward(_dense(x), weight, bias, groups, eps, save=True)
    return out, mean, stats


@torch.library.custom_op("sge::gate_backward", mutates_args=())
def _backward_op(
    x: Tensor, dy: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, stats: Tensor, groups: int, eps: float
) -> tuple[Tensor, Tensor]:
    return _gradients(_dense(x), dy, weight, bias, mean, stats, groups, eps)


def _dense(x: Tensor) -> Tensor:
    # A compiler may hand over another layout than the one it traced.
    dense = x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last)
    return x if dense else x.contiguous()


@_forward_op.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    n, channels = x.shape[:2]
    mean = x.new_empty((n, channels), dtype=torch.float32)
    return torch.empty_like(x), mean, x.new_empty((n, 2, groups), dtype=torch.float32)


@_backward_op.register_fake
def _(
    x: Tensor, dy: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, stats: Tensor, groups: int, eps: float
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), x.new_empty((2, groups), dtype=torch.float32)


def _keep(ctx: FunctionCtx, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    x, weight, bias, groups, eps = inputs
    _, mean, stats = output
    ctx.save_for_backward(x, weight, bias, mean, stats)
    ctx.groups, ctx.eps = groups, eps  # type: ignore[attr-defined]


def _differentiate(ctx: Any, dy: Tensor, *_unused: Any) -> tuple[Tensor | None, ...]:
    x, weight, bias, mean, stats = ctx.saved_tensors
    dx, sums = _backward_op(x, dy, weight, bias, mean, stats, ctx.groups, ctx.eps)
    return dx, *_shaped(sums, weight, bias), None, None


_forward_op.register_autograd(_differentiate, setup_context=_keep)
