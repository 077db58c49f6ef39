"""Writes a model as one ONNX file that ONNX Runtime runs without torch, and checks that it computes the same."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import helper

from sge.files import write_atomically
from sge.models.checkpoint import digest
from sge.models.exported_model import ExportedBlock, ExportedModel
from sge.models.model import Model
from sge.models.onnx_files import read_exported
from sge.models.onnx_graph import add_edits, name_energy_nodes
from sge.models.traced import Traced, trace
from sge.nn import SpatialGroupEnhance, inactive_groups, require_spatial_blocks
from sge.paths import model_dir

VERSION = "1"


def export_onnx(model: Model, path: str | os.PathLike[str]) -> ExportedModel:
    """Writes a model as an ONNX file with all weights, labels, preprocessing, card and part finder in it."""
    require_spatial_blocks(model.network)
    traced = Traced(model.network)
    image = torch.rand(2, model.preprocess.channels, 224, 256)
    with torch.no_grad():
        seen = dict(zip(traced.names(), traced(image), strict=True))
    proto = onnx.load_model_from_string(trace(traced, image))
    name_energy_nodes(proto.graph)
    add_edits(
        proto.graph,
        {
            name: block.groups
            for name, block in traced.blocks.items()
            if isinstance(block, SpatialGroupEnhance)
        },
    )
    blocks = [
        ExportedBlock(
            name,
            block.groups,
            int(block.channels or 0),
            round(image.shape[3] / seen[f"mask/{name}"].shape[3]),
            inactive_groups(block),
            "sge" if isinstance(block, SpatialGroupEnhance) else "cbam",
        )
        for name, block in traced.blocks.items()
    ]
    facts = _facts(model, blocks, seen["logits"].shape[1])
    helper.set_model_props(proto, {key: json.dumps(value) for key, value in facts.items()})
    write_atomically(Path(path), proto.SerializeToString())
    return read_exported(Path(path))


def exported_file(model: Model) -> ExportedModel:
    """The exported file of a model, made once and kept by the hash of the model's content in the user's model folder."""
    path = model_dir() / "exported" / f"{model.name}-{content_hash(model)[:16]}.onnx"
    return read_exported(path) if path.is_file() else export_onnx(model, path)


def content_hash(model: Model) -> str:
    """Hash of all that an exported file holds: the format, the network's numbers and the model's facts."""
    return digest(model.network.state_dict(), _facts(model, [], 0))


def _facts(model: Model, blocks: list[ExportedBlock], classes: int) -> dict[str, Any]:
    return {
        "sge.version": VERSION,
        "sge.name": model.name,
        "sge.arch": model.arch,
        "sge.labels": model.labels,
        "sge.preprocess": asdict(model.preprocess),
        "sge.card": model.card.to_record(),
        "sge.finder": None if model.finder is None else model.finder.to_record(),
        "sge.permutations": model.permutations,
        "sge.blocks": [block.to_record() for block in blocks],
        "sge.classes": classes,
        "sge.parameters": model.parameters,
        "sge.source_sha256": model.card.sha256,
        "sge.check": {},
    }
