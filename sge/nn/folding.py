"""Batch norms folded into the convolutions before them, in views of a network for inference.

A convolution followed by a batch norm in eval mode is one convolution with other weights:
``w' = w * gamma / sqrt(var + eps)``, ``b' = (b - mean) * gamma / sqrt(var + eps) + beta``. The network itself is not
changed.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn

from sge.nn.blocks import submodule
from sge.nn.memory_format import fast_format
from sge.nn.views import eval_view

TOLERANCE = 1e-4
"""Largest difference of the logits of a trial, relative to the largest logit, with which a network is folded."""
TRIAL_SIZES = (64, 224)
"""Sides of the trial's input, in pixels; the first one that the network takes is used."""
_CONVOLUTIONS = (nn.Conv2d, Conv2dSame)
_BATCH_NORMS = (nn.BatchNorm2d, BatchNormAct2d)

Pairs = tuple[tuple[str, str], ...]
"""Paths of convolutions and of the batch norms that follow them."""


class FoldedViews:
    """Views of a network that nobody changes any more, for passes without gradients; safe to use from several threads.

    Args:
        network: Its parameters, buffers and modules stay as they are from the first view on.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._lock = threading.Lock()
        self._folded: nn.Module | None = None
        self._spare: list[nn.Module] = []

    def __getstate__(self) -> dict[str, Any]:
        return {"network": self._network}

    def __setstate__(self, state: dict[str, Any]) -> None:
        FoldedViews.__init__(self, state["network"])

    @contextmanager
    def view(self) -> Iterator[nn.Module]:
        """Context manager that gives a view in eval mode, which nobody else uses inside; folded if the network allows it.

        Raises:
            UnsupportedNetworkError: as ``eval_view``.
        """
        with self._lock:
            if self._folded is None:
                self._folded = folded_view(eval_view(self._network), find_pairs(self._network))
            view = self._spare.pop() if self._spare else eval_view(self._folded)
        yield view
        with self._lock:  # After an error the view may hold values of a half pass, and is not used again.
            self._spare.append(view)


def find_pairs(network: nn.Module) -> Pairs:
    """Convolutions of a network whose output goes into one batch norm only, with that batch norm.

    Candidates are neighbours of fitting width in one module. They are tried together: with random values in all batch
    norms, a folded view must give the logits of one that is not folded. Otherwise nothing is folded.
    """
    view = eval_view(network)
    pairs = _candidates(view)
    if not pairs:
        return ()
    try:
        with torch.no_grad(), torch.autocast(_device_of(view), enabled=False):
            _randomize(view)
            folded = folded_view(eval_view(view), pairs)
            _make_double(view)
            _make_double(folded)
            inputs = _trial_input(view)
            expected = view(inputs.clone())
            found = folded(inputs)
        apart = float((found - expected).abs().max()) / float(expected.abs().max())
    except Exception:  # A foreign forward may raise anything, and such a network is run as it is.
        return ()
    return pairs if apart <= TOLERANCE else ()


def folded_view(view: nn.Module, pairs: Pairs) -> nn.Module:
    """Folds the pairs of a view, which is changed and returned; parameters that it shares stay as they are."""
    for conv_path, norm_path in pairs:
        conv, norm = submodule(view, conv_path), submodule(view, norm_path)
        weight, bias = _fused(conv, norm)
        conv._parameters = conv._parameters | {"weight": _frozen(weight), "bias": _frozen(bias)}
        _replace(view, norm_path, _rest_of(norm))
    if _prefers_channels_last(view) and fast_format(view) is torch.channels_last:
        # A convolution answers in the memory format of its weights, and what follows keeps it.
        for conv in view.modules():
            if type(conv) in _CONVOLUTIONS:
                weight = conv._parameters["weight"].detach()  # type: ignore[union-attr]
                last = _frozen(weight.contiguous(memory_format=torch.channels_last))
                conv._parameters = conv._parameters | {"weight": last}
    return view


def _candidates(view: nn.Module) -> Pairs:
    paths = Counter(id(module) for _, module in view.named_modules(remove_duplicate=False))
    pairs = []
    for prefix, parent in view.named_modules():
        children = [(name, child) for name, child in parent._modules.items() if child is not None]
        for (name, conv), (after, norm) in pairwise(children):
            once = paths[id(conv)] == paths[id(norm)] == 1
            if once and _may_fold(conv, norm):
                pairs.append((_joined(prefix, name), _joined(prefix, after)))
    return tuple(pairs)


def _may_fold(conv: Any, norm: Any) -> bool:
    return (
        type(conv) in _CONVOLUTIONS
        and type(norm) in _BATCH_NORMS
        and conv.out_channels == norm.num_features
        and isinstance(norm.running_mean, Tensor)
        and isinstance(norm.running_var, Tensor)
        and conv.weight.dtype == norm.running_var.dtype == torch.float32
        and not norm._forward_hooks
        and not conv._forward_hooks
    )


def _fused(conv: Any, norm: Any) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        scale = torch.rsqrt(norm.running_var.double() + norm.eps)
        if norm.weight is not None:
            scale = scale * norm.weight.double()
        bias = -norm.running_mean.double() if conv.bias is None else conv.bias.double() - norm.running_mean
        bias = bias * scale
        if norm.bias is not None:
            bias = bias + norm.bias
        weight = conv.weight.double() * scale[:, None, None, None]
        return weight.float(), bias.float()


def _frozen(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach(), requires_grad=False)


def _rest_of(norm: nn.Module) -> nn.Module:
    """What a batch norm module does beside the batch norm."""
    if type(norm) is not BatchNormAct2d:
        return nn.Identity().eval()
    return nn.Sequential(OrderedDict(drop=norm.drop, act=norm.act)).eval()


def _replace(view: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    submodule(view, parent)._modules[name] = module


def _prefers_channels_last(view: nn.Module) -> bool:
    """Depthwise convolutions on a CPU do; SGE itself does not, so that other networks stay as they are."""
    return any(
        isinstance(module, _CONVOLUTIONS)
        and module.groups == module.in_channels > 1
        and module.weight.device.type == "cpu"
        for module in view.modules()
    )


def _randomize(view: nn.Module) -> None:
    """Gives the batch norms of a view values of its own that hide nothing, as a scale of 0 would."""
    random = torch.Generator().manual_seed(0)
    for module in view.modules():
        if type(module) in _BATCH_NORMS:
            for values in (module._parameters, module._buffers):
                own = {name: _drawn(name, value, random) for name, value in values.items()}
                values.clear()
                values.update(own)


def _make_double(view: nn.Module) -> None:
    """Gives a view float64 copies of the tensors that it shares with the network."""
    for module in view.modules():
        tensors: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
        for values in tensors:
            for name, value in values.items():
                if value is not None and value.is_floating_point():
                    double = value.detach().double()
                    values[name] = _frozen(double) if isinstance(value, nn.Parameter) else double


def _drawn(name: str, value: Any, random: torch.Generator) -> Any:
    if value is None or name not in ("weight", "bias", "running_mean", "running_var"):
        return value
    drawn = torch.rand(value.shape, generator=random).to(value)
    drawn = drawn + 0.5 if name in ("weight", "running_var") else drawn - 0.5
    return _frozen(drawn) if isinstance(value, nn.Parameter) else drawn


def _device_of(view: nn.Module) -> str:
    return next(parameter.device.type for parameter in view.parameters())


def _trial_input(view: nn.Module) -> Tensor:
    first = next(module for module in view.modules() if isinstance(module, nn.Conv2d))
    random = torch.Generator().manual_seed(1)
    for size in TRIAL_SIZES:
        inputs = torch.randn(1, first.in_channels, size, size, generator=random).to(first.weight)
        try:
            view(inputs.clone())
        except Exception:
            if size == TRIAL_SIZES[-1]:
                raise
            continue
        return inputs
    raise AssertionError("TRIAL_SIZES is empty")


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
