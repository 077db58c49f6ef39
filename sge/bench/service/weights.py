"""The model's network as files that every server can load."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sge import models
from sge.images import Preprocess


@dataclass(frozen=True)
class NetworkFiles:
    """One network, exported."""

    logits: Path
    """ONNX with the logits as its only output."""
    maps: Path
    """ONNX with logits, masks and similarity of every block."""
    facts: Path
    """JSON of labels and preprocessing."""
    preprocess: Preprocess


def write_network(model: str, folder: Path) -> NetworkFiles:
    """Exports a model into a folder.

    Args:
        model: Name or file.
        folder: Exists.

    Raises:
        SGEError: the model cannot be loaded or exported.
    """
    loaded = models.load_model(model)
    files = NetworkFiles(
        folder / "logits.onnx", folder / "maps.onnx", folder / "facts.json", loaded.preprocess
    )
    files.facts.write_text(
        json.dumps(asdict(loaded.preprocess) | {"labels": list(loaded.labels)}), encoding="utf-8"
    )
    _write_until_exports_exist(loaded, files)
    return files


def _write_until_exports_exist(loaded: models.Model, files: NetworkFiles) -> None:
    import torch

    axes = {"image": {0: "rows", 2: "height", 3: "width"}, "logits": {0: "rows"}}
    for file in (files.logits, files.maps):
        torch.onnx.export(
            loaded.network.eval(),
            (torch.randn(2, 3, 224, 224),),
            str(file),
            dynamo=False,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes=axes,
            opset_version=17,
        )
