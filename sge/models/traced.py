"""Runs a network so that torch's exporter records it with its maps, the SGE module in few operations of ONNX."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from typing import Any

import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from sge.errors import UnsupportedNetworkError
from sge.models.part_reader import PartReader
from sge.models.results import named_results
from sge.nn import (
    ForeignMap,
    ForeignSGE,
    Formula,
    SGEBlock,
    SpatialGroupEnhance,
    block_formula,
    block_module,
    eval_view,
    routed,
    spatial_blocks,
    standardize_maps,
)
from sge.parts import Detector

OPSET = 18


class _Enhanced(torch.autograd.Function):
    """SGE as one operation, whose ONNX nodes are stated here.

    ``kind`` is the formula's variant in numbers: channels, groups, eps, and whether the deviation is unbiased, eps is
    added to the variance, groups are interleaved, products are averaged, and the features are added.
    """

    @staticmethod
    def forward(
        _ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, *kind: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        _, groups, eps, unbiased, in_variance, interleaved, mean, residual = kind
        formula = Formula(
            int(groups),
            "unbiased" if unbiased else "biased",
            eps,
            "variance" if in_variance else "std",
            "interleaved" if interleaved else "consecutive",
            "mean" if mean else "sum",
            bool(residual),
        )
        similarity = formula.similarity(x)
        mask = torch.sigmoid(similarity * weight + bias)
        return formula.multiplied(x, mask), similarity, mask

    @staticmethod
    def symbolic(g: Any, x: Any, weight: Any, bias: Any, *kind: float) -> tuple[Any, Any, Any]:
        channels, groups, eps, unbiased, in_variance, interleaved, averaged, residual = kind
        channels, groups = int(channels), int(groups)

        def number(value: float) -> Any:
            return g.op("Constant", value_t=torch.tensor(value))

        numbers = partial(_numbers, g)
        sides = g.op("Shape", x, start_i=2)
        # TensorRT multiplies the members of floating tensors only.
        positions = g.op("ReduceProd", g.op("Cast", sides, to_i=1), keepdims_i=0)
        # One position gives the smallest difference in place of 0, all others exactly one less.
        freedom = g.op("Sub", positions, number(1 - 2**-24)) if unbiased else positions
        rows = _rows(g, x, channels, groups, bool(interleaved))
        means = g.op("Reshape", g.op("ReduceMean", rows, numbers(3)), numbers(0, groups, 1, -1))
        maps = g.op("Concat", numbers(-1, groups), sides, axis_i=0)
        products = g.op("Reshape", g.op("MatMul", means, rows), maps)
        if averaged:
            products = g.op("Mul", products, number(groups / channels))
        # Rows first, then columns: the rounding of one long sum would shift maps whose mean is large.
        mean = g.op("ReduceMean", g.op("ReduceMean", products, numbers(3)), numbers(2))
        centered = g.op("Sub", products, mean)
        # A product and a sum take a third of the time of ReduceL2.
        squares = g.op("ReduceSum", g.op("Mul", centered, centered), numbers(2, 3))
        variance = g.op("Div", squares, freedom)
        if in_variance:
            spread = g.op("Sqrt", g.op("Add", variance, number(eps)))
        else:
            spread = g.op("Add", g.op("Sqrt", variance), number(eps))
        similarity = g.op("Div", centered, spread)
        # The mask does without the similarity, which costs a pass over memory and may not be asked for.
        scaled = g.op("Mul", centered, g.op("Div", weight, spread))
        mask = g.op("Sigmoid", g.op("Add", scaled, bias))
        masked = g.op("Mul", rows, g.op("Reshape", mask, numbers(0, groups, 1, -1)))
        if interleaved:
            masked = g.op("Transpose", masked, perm_i=[0, 2, 1, 3])
        out = g.op("Reshape", masked, g.op("Concat", numbers(-1, channels), sides, axis_i=0))
        return g.op("Add", x, out) if residual else out, similarity, mask


def _rows(g: Any, x: Any, channels: int, groups: int, interleaved: bool) -> Any:
    """Features as (N, groups, channels of a group, positions)."""
    if not interleaved:
        return g.op("Reshape", x, _numbers(g, 0, groups, channels // groups, -1))
    apart = g.op("Reshape", x, _numbers(g, 0, channels // groups, groups, -1))
    return g.op("Transpose", apart, perm_i=[0, 2, 1, 3])


def _kind(formula: Formula, channels: int) -> tuple[float, ...]:
    """The last arguments of ``_Enhanced``."""
    return (
        channels,
        formula.groups,
        formula.eps,
        int(formula.deviation == "unbiased"),
        int(formula.eps_in == "variance"),
        int(formula.order == "interleaved"),
        int(formula.products == "mean"),
        int(formula.residual),
    )


class _Same(torch.autograd.Function):
    """A convolution whose padding ONNX computes from the size of its input, as TensorFlow does."""

    @staticmethod
    def forward(
        _ctx: Any, x: Tensor, weight: Tensor, stride: list[int], dilation: list[int], groups: int
    ) -> Tensor:
        # This is right where the stride divides the size, as it does in the example; only its shape counts here.
        sides = [d * (int(k) - 1) + 1 - s for k, s, d in zip(weight.shape[2:], stride, dilation, strict=True)]
        padding = [
            one for side in reversed(sides) for one in (max(side, 0) // 2, max(side, 0) - max(side, 0) // 2)
        ]
        return conv2d(pad(x, padding), weight, None, stride, 0, dilation, groups)

    @staticmethod
    def symbolic(g: Any, x: Any, weight: Any, stride: list[int], dilation: list[int], groups: int) -> Any:
        how = {"strides_i": stride, "dilations_i": dilation, "group_i": groups}
        return g.op("Conv", x, weight, auto_pad_s="SAME_UPPER", **how)


class _Energy(torch.autograd.Function):
    """Each group's fraction of the squared features, (N, G)."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor, groups: int) -> Tensor:
        power = x.square().reshape(x.shape[0], groups, -1).sum(2)
        return power / power.sum(1, keepdim=True)

    @staticmethod
    def symbolic(g: Any, x: Any, groups: int) -> Any:
        # ONNX Runtime computes the product of a row with itself in a third of the time of ReduceSumSquare.
        rows = g.op("Reshape", x, _numbers(g, 0, groups, 1, -1))
        power = g.op("MatMul", rows, g.op("Transpose", rows, perm_i=[0, 1, 3, 2]))
        power = g.op("Reshape", power, _numbers(g, 0, groups))
        total = g.op("ReduceSum", power, _numbers(g, 1), keepdims_i=1)
        least = g.op("Constant", value_t=torch.tensor(torch.finfo().tiny))
        return g.op("Div", power, g.op("Max", total, least))


def _numbers(g: Any, *values: int) -> Any:
    return g.op("Constant", value_t=torch.tensor(values))


class Traced(nn.Module):
    """A view of a network that returns its own results, and similarity, masks and energies of all blocks.

    Args:
        network: Any network with SGE, CBAM or BAM in it; it is not changed.
        classes: Number of labels; None without labels.
        detectors: Of parts, whose maps are returned as well.
    """

    def __init__(
        self, network: nn.Module, classes: int | None, detectors: Mapping[str, Detector] | None = None
    ) -> None:
        super().__init__()
        self._classes = classes
        self.detectors = dict(detectors or {})
        self._reader = PartReader(self.detectors)
        self._reads: dict[str, Tensor] = {}
        self._parts: dict[str, Tensor] = {}
        self.results: list[str] = []
        """Names of the network's own outputs in the last pass."""
        self.network = eval_view(network)
        self.blocks = spatial_blocks(self.network)
        for module in self.network.modules():
            if type(module) is Conv2dSame:
                module.forward = partial(self._same, module)  # type: ignore[method-assign]
        self.channels: dict[str, int] = {}
        """Block to the channels of its output, after a pass."""
        self.calls: Counter[str] = Counter()
        """Block to how often it was called in the last pass."""
        self.seen: dict[str, dict[str, Tensor]] = {"similarity": {}, "mask": {}, "energy": {}}
        for name, block in self.blocks.items():
            if isinstance(block, ForeignSGE):
                # The exporter does not follow a change of a parameter's shape.
                for key, value in zip(block.names, (block.weight, block.bias), strict=True):
                    block.module._parameters[key] = nn.Parameter(value.detach(), requires_grad=False)
                block.module.forward = partial(self._foreign, name, block)
            elif isinstance(block, SpatialGroupEnhance):
                block.enhanced = partial(self._enhanced, name, block)  # type: ignore[method-assign]
            else:
                if isinstance(block, ForeignMap):
                    block.module.forward = partial(self._routed, block, block.module.forward)
                block.gate.register_forward_hook(partial(self._read_map, name))
            if name in self._reader.reads:
                read = partial(self._read_channels, name)
                block_module(block).register_forward_pre_hook(read, with_kwargs=True)
            block_module(block).register_forward_hook(partial(self._read_energy, name, block.groups))

    @staticmethod
    def _same(conv: nn.Conv2d, x: Tensor) -> Tensor:
        out: Tensor = _Same.apply(x, conv.weight, list(conv.stride), list(conv.dilation), conv.groups)
        return out if conv.bias is None else out + conv.bias[:, None, None]

    def _enhanced(self, name: str, block: SGEBlock, x: Tensor) -> Tensor:
        apply: Callable[..., tuple[Tensor, Tensor, Tensor]] = _Enhanced.apply
        out, self.seen["similarity"][name], self.seen["mask"][name] = apply(
            x, block.weight, block.bias, *_kind(block_formula(block), int(x.shape[1]))
        )
        return out

    def _foreign(self, name: str, block: ForeignSGE, *inputs: Tensor, **named: Tensor) -> Tensor:
        """In place of a forward of somebody else, whose features come first."""
        x = (*inputs, *named.values())[0]
        out = self._enhanced(name, block, x)
        return x.copy_(out) if block.in_place else out

    @staticmethod
    def _routed(block: ForeignMap, forward: Callable[..., Any], *inputs: Any, **named: Any) -> Any:
        """In place of a forward of somebody else, whose map goes through the block's gate."""
        with routed(block, (*inputs, *named.values())):
            return forward(*inputs, **named)

    def _read_channels(
        self, name: str, _module: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Tensor]
    ) -> None:
        self._reads[name] = self._reader.reads[name]((*inputs, *named.values())[0])

    def _read_map(self, name: str, _module: nn.Module, inputs: tuple[Tensor], mask: Tensor) -> None:
        logits = inputs[0]
        self.seen["similarity"][name] = standardize_maps(logits - logits[..., :1, :1])
        self.seen["mask"][name] = mask

    def _read_energy(self, name: str, groups: int, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
        self.channels[name] = int(output.shape[1])
        self.calls[name] += 1
        self.seen["energy"][name] = _Energy.apply(output, groups)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """The network's own results; similarity, masks and energies in the order of ``blocks``; maps of detectors."""
        self.calls.clear()
        for values in self.seen.values():
            values.clear()
        results = named_results(self.network(image), self._classes)
        if odd := [name for name in self.blocks if self.calls[name] != 1 or name not in self.seen["mask"]]:
            raise UnsupportedNetworkError(
                f"A pass through the network uses {odd[0]} {self.calls[odd[0]]} times. Exported are networks that use each "
                "block once."
            )
        self.results = list(results)
        maps = (values[name] for values in self.seen.values() for name in self.blocks)
        self._parts = self._reader.maps(self.seen["similarity"], self._reads)
        return (*results.values(), *maps, *self._parts.values())

    def names(self) -> list[str]:
        """Names of what ``forward`` returned last."""
        maps = (f"{kind}/{name}" for kind in self.seen for name in self.blocks)
        return [*self.results, *maps, *self._parts]


def trace(traced: Traced, image: Tensor, has_size: bool) -> bytes:
    """The content of an ONNX file with dynamic rows, height and width.

    Args:
        traced: The network, after a pass.
        image: An example, (N, channels, h, w).
        has_size: Height and width are those of the example, and not dynamic.
    """
    file = BytesIO()
    dynamic = {0: "rows"} if has_size else {0: "rows", 2: "height", 3: "width"}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            traced,
            (image,),
            file,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=traced.names(),
            dynamic_axes={"image": dynamic},
        )
    return file.getvalue()
