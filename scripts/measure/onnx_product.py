"""What one product of features costs in ONNX Runtime: CPU time of ResNet-50 as ratios within one run.

    python -m scripts.measure.onnx_product [ROUNDS]

Each residual block of the second network squares the features where SGE stands in ``sge_resnet50``, before the addition.
This is the least that any mask costs: one product that stays in the layout of the convolutions, which can then no longer add
the other branch and apply ReLU by themselves. The third network has SGE; ``divided`` runs a batch image by image.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models import resnet50
from torchvision.models.resnet import Bottleneck

from scripts.measure.onnx_sessions import measured, session
from sge.arrays import Array
from sge.bench.exports import write_networks

Run = Callable[[Array], object]


class Squared(nn.Module):
    """Features times themselves."""

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        return x * x


def main(rounds: str = "9") -> None:
    """Prints one line for each batch: milliseconds of the plain network, then ratios to it."""
    with tempfile.TemporaryDirectory() as name:
        files = write_networks(Path(name))
        files["product"] = _write_product(Path(name))
        runs = {key: _run(files[key]) for key in ("plain ResNet-50", "product", "SGE")}
    print("batch", *runs, "SGE, divided", sep="\t")
    for batch in (1, 8):
        images = np.random.default_rng(0).standard_normal((batch, 3, 224, 224)).astype(np.float32)
        passes: dict[str, Callable[[], object]] = {key: partial(run, images) for key, run in runs.items()}
        passes["divided"] = partial(_divided, runs["SGE"], images)
        first, *others = measured(passes, int(rounds)).values()
        print(batch, f"{first:.1f} ms", *(f"{one / first:.2f}" for one in others), sep="\t")


def _write_product(folder: Path) -> Path:
    network = resnet50().eval()
    for block in network.modules():
        if isinstance(block, Bottleneck):
            block.bn3 = nn.Sequential(block.bn3, Squared())
    torch.onnx.export(
        network,
        (torch.randn(2, 3, 224, 224),),
        str(folder / "product.onnx"),
        dynamo=False,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "rows", 2: "height", 3: "width"}, "logits": {0: "rows"}},
        opset_version=17,
    )
    return folder / "product.onnx"


def _run(file: Path) -> Run:
    made = session(file.read_bytes())
    return lambda images: made.run(["logits"], {"image": images})


def _divided(run: Run, images: Array) -> None:
    for row in range(len(images)):
        run(images[row : row + 1])


if __name__ == "__main__":
    main(*sys.argv[1:])
