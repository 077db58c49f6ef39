"""The networks of ``sge bench module`` in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torchvision.models import resnet50

from sge.arrays import Array
from sge.models import Model, export_onnx, reduced
from sge.nn import SGE_RESNETS, SpatialGroupEnhance

SIDE = 224


def write_networks(folder: Path) -> dict[str, Path]:
    """Exports ResNet-50 without and with SGE, and with every map as an output.

    Args:
        folder: Exists.

    Returns:
        Name to file.
    """
    plain = folder / "plain.onnx"
    torch.onnx.export(
        resnet50().eval(),
        (torch.randn(2, 3, SIDE, SIDE),),
        str(plain),
        dynamo=False,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "rows", 2: "height", 3: "width"}, "logits": {0: "rows"}},
        opset_version=17,
    )
    network = SGE_RESNETS["sge_resnet50"]()
    for module in network.modules():
        if isinstance(module, SpatialGroupEnhance):
            nn.init.normal_(module.weight)  # A gate of weight 0 would be a constant.
    labels = [f"class {number}" for number in range(1000)]
    exported = export_onnx(Model("sge_resnet50", network, labels), folder / "sge.onnx")
    maps = [f"{kind}/{block.name}" for block in exported.blocks for kind in ("mask", "similarity")]
    files = {"plain ResNet-50": plain}
    for name, outputs in (("SGE", ["logits"]), ("SGE, every map read", ["logits", *maps])):
        files[name] = folder / f"{len(files)}.onnx"
        files[name].write_bytes(reduced(exported.path, outputs, edits=False))
    return files


def exported_networks(files: dict[str, Path], batch: int, threads: int) -> dict[str, Callable[[], object]]:
    """Forward passes of exported networks; 224 px, float32.

    Those with SGE run image by image, as a lens divides a batch of this size. The plain network runs the whole batch, which
    is not slower.

    Args:
        files: From ``write_networks``.
        batch: Number of images.
        threads: Threads of one pass.
    """
    x = np.random.default_rng(0).standard_normal((batch, 3, SIDE, SIDE), np.float32)
    runs = {name: _session(file, threads) for name, file in files.items()}
    return {
        name: partial(run if name.startswith("plain") else partial(_one_by_one, run), x)
        for name, run in runs.items()
    }


def _one_by_one(run: Callable[[Array], object], batch: Array) -> None:
    for row in range(len(batch)):
        run(batch[row : row + 1])


def _session(file: Path, threads: int) -> Callable[[Array], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(None, {"image": batch})
