"""Compares the kernels of the SGE module with the eager module in float64, on every shape of its networks.

``python -m scripts.gpu.gate_cases --part 0 --parts 12 --until EPOCH --out FILE`` checks every twelfth case and writes a
JSON list of results; ``bench_gate.py`` starts twelve. On the CPU it runs under Triton's interpreter
(``TRITON_INTERPRET=1 ... --device cpu --tiny``).
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sge.nn import group_similarity
from sge.nn.kernels import fused_gate, fused_gate_with_maps
from sge.nn.module import masked

EPS = 1e-5
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
TOLERANCE = {"float32": 5e-6, "bfloat16": 5e-3, "float16": 7e-4}
"""Of output and gradient of the features, ||difference|| / ||reference||; half precision rounds what is stored."""
PARAMETERS = 2e-4
"""Of the gradients of weight and bias and of the maps, which are float32 whatever the input is."""
LITE0 = (
    (32, 32, 2), (96, 48, 4), (144, 48, 4), (144, 48, 8), (240, 60, 8), (240, 60, 16), (480, 60, 16),
    (672, 56, 16), (672, 56, 32), (1152, 64, 32),
)  # fmt: skip
"""Channels, groups and stride of the features that SGE multiplies in EfficientNet-Lite0."""


@dataclass(frozen=True)
class Case:
    """One comparison."""

    network: str
    images: int
    channels: int
    groups: int
    height: int
    width: int
    dtype: str
    last: bool


def resnet_shapes(size: int, expansion: int) -> list[tuple[int, int, int, int]]:
    """Channels, groups, height and width of the four stages of a ResNet at an input of ``size`` pixels."""
    sides = [-(-size // stride) for stride in (4, 8, 16, 32)]
    return [(64 * expansion << stage, 64, side, side) for stage, side in enumerate(sides)]


def lite0_shapes(height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Likewise for EfficientNet-Lite0."""
    return [(c, g, -(-height // stride), -(-width // stride)) for c, g, stride in LITE0]


def cases(tiny: bool = False) -> list[Case]:
    """All comparisons; first the shapes that are timed, whose kernels are then compiled already."""
    single, half, both = ["float32"], ["bfloat16", "float16"], ["bfloat16", "float32"]
    table: list[tuple[str, int, list[tuple[int, int, int, int]], list[str]]] = [
        ("resnet50-224", 32, resnet_shapes(224, 4), both),
        ("lite0-320x416", 16, lite0_shapes(320, 416), ["bfloat16"]),
        ("lite0-320x416", 1, lite0_shapes(320, 416), ["bfloat16"]),
        (
            "others",
            8,
            [(1280, 16, 7, 7), (320, 64, 13, 9), (1280, 16, 20, 26), (64, 1, 9, 9)],
            [*half, *single],
        ),
        ("resnet50-224", 8, resnet_shapes(224, 4), ["float16"]),
        ("resnet18-224", 8, resnet_shapes(224, 1), both),
        ("resnet50-640", 4, resnet_shapes(640, 4), both),
        ("lite0-257x303", 8, lite0_shapes(257, 303), ["float32"]),
        ("lite0-224", 8, lite0_shapes(224, 224), ["bfloat16"]),
        ("lite0-257x303", 8, lite0_shapes(257, 303), ["float16"]),
        ("resnet50-320", 8, resnet_shapes(320, 4), ["bfloat16"]),
        ("resnet18-640", 4, resnet_shapes(640, 1), ["bfloat16"]),
    ]
    if tiny:
        table = [("tiny", 2, [(12, 4, 5, 3), (16, 8, 8, 8), (5, 5, 33, 4)], ["float32", "bfloat16"])]
    return [
        Case(network, images, *shape, dtype, last)
        for network, images, shapes, dtypes in table
        for shape in shapes
        for dtype in dtypes
        for last in (True, False)
    ]


def eager(x: Tensor, weight: Tensor, bias: Tensor, groups: int) -> tuple[Tensor, Tensor, Tensor]:
    """Output, similarity and mask by the eager functions, in the precision of ``x`` or float32."""
    similarity = group_similarity(x, groups, EPS)
    mask = torch.sigmoid(similarity * weight.to(similarity.dtype) + bias.to(similarity.dtype))
    return masked(x, mask), similarity, mask


def make(case: Case, device: str, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features that vary slowly over space and have a mean, as real ones do; the gradient of the output; parameters."""
    random = torch.Generator(device).manual_seed(seed)
    shape = (case.images, case.channels, case.height, case.width)
    layout = torch.channels_last if case.last else torch.contiguous_format
    rough = torch.randn(shape, generator=random, device=device)
    mean = torch.randn((1, case.channels, 1, 1), generator=random, device=device)
    x = (rough + mean).to(DTYPES[case.dtype]).to(memory_format=layout)
    dy = torch.randn(shape, generator=random, device=device).to(x.dtype).to(memory_format=layout)
    weight = torch.randn((1, case.groups, 1, 1), generator=random, device=device)
    bias = 1 + 0.5 * torch.randn((1, case.groups, 1, 1), generator=random, device=device)
    return x, dy, weight, bias


def distance(found: Tensor, expected: Tensor) -> float:
    """||difference|| / ||expected||; NaN or infinity wherever ``found`` is not finite."""
    return float((found.detach().double() - expected.detach()).norm() / expected.norm().clamp_min(1e-300))


def poison(like: Tensor) -> None:
    """Leaves NaN in the memory that the allocator hands out next, so that an element that is not written is found."""
    taken = [torch.full_like(like, float("nan")) for _ in range(2)]
    del taken


def check(case: Case, device: str, seed: int) -> dict[str, Any]:
    """Errors of one case, by name, and whether all are within their tolerances."""
    x, dy, weight, bias = make(case, device, seed)
    exact = [t.double().requires_grad_() for t in (x, weight, bias)]
    out, similarity, mask = eager(exact[0], exact[1], exact[2], case.groups)
    of_x, of_weight, of_bias = torch.autograd.grad(out, exact, dy.double())
    leaves = [t.requires_grad_() for t in (x, weight, bias)]
    poison(x)
    fused = fused_gate(leaves[0], leaves[1], leaves[2], case.groups, EPS)
    poison(x)
    gradients = torch.autograd.grad(fused, leaves, dy)
    errors = {
        "out": distance(fused, out),
        "dx": distance(gradients[0], of_x),
        "dweight": distance(gradients[1], of_weight),
        "dbias": distance(gradients[2], of_bias),
    }
    # Each way is a kernel to compile: the other two are checked for the shapes that are timed, and some more.
    if case.network in ("resnet50-224", "lite0-320x416", "others", "tiny"):
        with torch.no_grad():
            errors["without_gradient"] = distance(fused_gate(x, weight, bias, case.groups, EPS), out)
    if case.network in ("resnet50-224", "others", "tiny"):
        kept, seen, mask_seen = fused_gate_with_maps(x, weight, bias, case.groups, EPS)
        errors |= {"with_maps": distance(kept, out), "similarity": distance(seen, similarity)}
        errors["mask"] = distance(mask_seen, mask)
    limits = dict.fromkeys(errors, TOLERANCE[case.dtype])
    limits |= dict.fromkeys(("dweight", "dbias", "similarity", "mask"), PARAMETERS)
    passed = fused.stride() == x.stride() and all(value <= limits[name] for name, value in errors.items())
    return {**asdict(case), "errors": errors, "passed": passed}


def main() -> None:
    """Checks one part of the cases until the time is over."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--until", type=float, default=time.time() + 600)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for index, case in enumerate(cases(options.tiny)):
        if index % options.parts != options.part:
            continue
        if time.time() > options.until:
            break
        try:
            results.append(check(case, options.device, index))
        except Exception as error:  # the other cases are still to be checked
            results.append(
                {**asdict(case), "error": f"{type(error).__name__}: {error}"[:600], "passed": False}
            )
        options.out.write_text(json.dumps(results), "utf-8")


if __name__ == "__main__":
    main()
