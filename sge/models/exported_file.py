"""Reads exported files: the metadata alone, without torch and without running anything."""

from __future__ import annotations

import json
from pathlib import Path

import onnx

from sge.images import Preprocess
from sge.models.cards import read_card
from sge.models.exported_model import ExportedBlock, ExportedModel
from sge.parts import Finder


def read_exported(path: Path, name: str | None = None) -> ExportedModel:
    """Reads the facts of an exported file."""
    proto = onnx.load(path, load_external_data=False)
    facts = {entry.key: json.loads(entry.value) for entry in proto.metadata_props}
    finder = facts["sge.finder"]
    return ExportedModel(
        name or facts["sge.name"],
        facts["sge.labels"],
        read_card(facts["sge.card"], sha256=facts["sge.source_sha256"]),
        Preprocess(**facts["sge.preprocess"]),
        facts["sge.arch"],
        facts["sge.permutations"],
        None if finder is None else Finder.from_record(finder, path.name),
        path,
        tuple(ExportedBlock(**block) for block in facts["sge.blocks"]),
        facts["sge.classes"],
        facts["sge.parameters"],
        facts["sge.check"],
    )
