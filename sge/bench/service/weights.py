"""The model's network as files that every server can load."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sge.images import Preprocess
from sge.models import ExportedModel, exported_file, load_model, reduced, required_labels


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
    is_exported: bool
    """Whether the model was given as an exported file, so that torch has nothing to run."""


def write_network(model: str, folder: Path) -> NetworkFiles:
    """Exports a model into a folder.

    Args:
        model: Name or file.
        folder: Exists.

    Raises:
        SGEError: the model cannot be loaded or exported.
    """
    loaded = load_model(model)
    exported = loaded if isinstance(loaded, ExportedModel) else exported_file(loaded)
    files = NetworkFiles(
        folder / "logits.onnx",
        folder / "maps.onnx",
        folder / "facts.json",
        exported.preprocess,
        exported is loaded,
    )
    maps = [f"{kind}/{block.name}" for block in exported.blocks for kind in ("mask", "similarity")]
    files.logits.write_bytes(reduced(exported.path, ["logits"], edits=False))
    files.maps.write_bytes(reduced(exported.path, ["logits", *maps], edits=False))
    facts = asdict(exported.preprocess) | {"labels": required_labels(exported)}
    files.facts.write_text(json.dumps(facts), encoding="utf-8")
    return files
