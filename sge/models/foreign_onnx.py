"""Makes an exported file of an ONNX file that somebody else made, in whose graph maps are named.

The new file has the maps as ``mask/BLOCK``, the logits or boxes, labels and preprocessing. What the file does not give stays
absent: it has no inputs that edit masks, and similarity and energy only where they are named.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sge.errors import CheckpointError
from sge.images import Preprocess
from sge.models.card import Card
from sge.models.exported_model import (
    ExportedBlock,
    square_side,
)
from sge.models.foreign_blocks import blocks_of, map_outputs
from sge.models.foreign_graph import Interface, Output, interface_of, normalized_graph, rewritten
from sge.models.foreign_maps import GivenMaps, chosen_maps, own_maps
from sge.models.foreign_proposals import propose
from sge.models.foreign_results import labels_given, others_of, results_of
from sge.models.foreign_trial import tried
from sge.models.given import Given
from sge.models.names import IDENTITY_PERMUTATION
from sge.models.onnx_files import VERSION, parsed_onnx, tail
from sge.models.stated import labels_of, preprocess_of
from sge.models.wording import shown

if TYPE_CHECKING:
    import onnx


def adopted(path: Path, name: str | None, given: Given, maps: GivenMaps | None) -> bytes:
    """The content of an exported file with the maps of a file that somebody else made.

    Args:
        path: The ONNX file.
        name: The model's name; by default that of the file.
        given: Labels, preprocessing and card.
        maps: As for ``chosen_maps``; by default the outputs that are named as in our own files.

    Raises:
        CheckpointError: The file cannot be used; the sentence says why.
        ChoiceError: ``maps`` names what the file does not have.
        MissingPackageError: ``onnx`` or ``onnxruntime`` is not installed.
    """
    source, where = parsed_onnx(path), shown(path.name)
    facts = _texts(source, where)
    proto = normalized_graph(source, where)
    interface = interface_of(proto.graph, where)
    chosen = chosen_maps(proto.graph, maps) if maps is not None else own_maps(proto.graph)
    usual = _usual_preprocess(proto.graph, interface)
    preprocess, notes = _preprocess(given, usual, interface, where)
    if not chosen:
        raise propose(proto, interface, preprocess.size, where)
    others = others_of(proto.graph, chosen)
    raw = [Output(one.name, one.tensor, 4) for one in chosen]
    trial = tried(proto, interface, [*raw, *others], square_side(preprocess), where)
    blocks = blocks_of(chosen, trial, where)
    labels = labels_given(given, facts, trial)
    results = results_of(trial, None if labels is None else len(labels))
    if results.classes:
        stated = labels if labels is not None and len(labels) == results.classes else None
        labels, more = labels_of(results.classes, given.labels, stated, {}, where)
        notes += more
    final = rewritten(proto, trial.interface, [*results.outputs, *map_outputs(chosen, blocks, trial)])
    notes = [*notes, *trial.notes, *results.notes, _absent(blocks)]
    card = given.card or Card(
        shown(name or path.stem),
        "A file that somebody else made, with the maps that it gives. Nothing was measured here.",
        "none",
        source=f"{where}, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}",
    )
    card = replace(card, notes=tuple(dict.fromkeys((*card.notes, *notes))))
    return _content(
        final,
        {
            "name": name or re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")[:100] or "imported",
            "labels": labels,
            "preprocess": replace(preprocess, fixed=None).to_record(),
            "card": card.to_record(),
            "blocks": [block.to_record() for block in blocks],
            "classes": results.classes,
            "results": [output.name for output in results.outputs],
            "multiple": trial.multiple,
            "size": trial.interface.size,
            "rows": trial.interface.rows,
        },
    )


def _texts(proto: onnx.ModelProto, where: str) -> dict[str, str]:
    texts = {entry.key: entry.value for entry in proto.metadata_props}
    if not all(isinstance(text, str) for pair in texts.items() for text in pair):  # bytes that are no UTF-8
        raise CheckpointError(f"{where} is damaged: an entry is no text. Download or export it again.")
    return texts


def _usual_preprocess(graph: onnx.GraphProto, interface: Interface) -> Preprocess:
    """ImageNet's, or pixels of 0 to 1 for a detector's anchors; of the size that the file takes."""
    side = min(interface.size) if interface.size else None
    if any(len(output.type.tensor_type.shape.dim) == 3 for output in graph.output) and not any(
        len(output.type.tensor_type.shape.dim) == 2 for output in graph.output
    ):
        usual = Preprocess.unnormalized(side or 640)
    else:
        side = side or 224
        usual = Preprocess(size=side, resize=round(side * 256 / 224))
    if interface.channels == 1:
        usual = replace(usual, mean=usual.mean[:1], std=usual.std[:1])
    return usual


def _preprocess(
    given: Given, usual: Preprocess, interface: Interface, where: str
) -> tuple[Preprocess, list[str]]:
    title = "ImageNet" if any(usual.mean) else "detectors (pixels of 0 to 1)"
    preprocess, notes = preprocess_of(given.preprocess, None, usual, title, where)
    if preprocess.channels != interface.channels:
        raise CheckpointError(
            f"{where}: the preprocessing is for {preprocess.channels} channels, the network takes {interface.channels}. "
            "Give one mean and one std for each channel."
        )
    if interface.size and preprocess.size != min(interface.size):
        raise CheckpointError(
            f"{where} takes images of {interface.size[1]} x {interface.size[0]} pixels alone, and the preprocessing has "
            f"size {preprocess.size}. Give size {min(interface.size)}, or leave it out."
        )
    return preprocess, notes


def _absent(blocks: list[ExportedBlock]) -> str:
    given = {kind for block in blocks for kind in block.outputs}
    missing = [kind for kind in ("similarity", "energy") if kind not in given]
    listed = f"{', '.join(missing)} and " if missing else ""
    return (
        f"Somebody else made this file: it lacks {listed}inputs that remove groups, so that effects of groups cannot be "
        "measured."
    )


def _content(proto: onnx.ModelProto, facts: dict[str, Any]) -> bytes:
    import onnx
    import onnxruntime

    parameters = sum(int(np.prod(one.dims, dtype=np.float64)) for one in proto.graph.initializer)
    stated = facts | {
        "version": VERSION,
        "arch": "onnx",
        "finder": None,
        "permutations": IDENTITY_PERMUTATION,
        "parameters": parameters,
        "source_sha256": None,
        "check": {"onnxruntime": onnxruntime.__version__},
    }
    onnx.helper.set_model_props(proto, {f"sge.{key}": json.dumps(value) for key, value in stated.items()})
    content: bytes = proto.SerializeToString()
    return content + tail(hashlib.sha256(content).hexdigest())
