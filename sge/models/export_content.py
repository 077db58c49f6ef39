"""The content of an exported file: the recorded graph, compared with the network, and the facts of the model."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from sge.errors import ChoiceError, SGEError, UnsupportedNetworkError
from sge.models.export_check import SIZE_ADVICE, Comparison
from sge.models.exported_model import LOGITS, RESULT, ExportedBlock, square_side
from sge.models.model import Model
from sge.models.onnx_files import VERSION, tail
from sge.models.onnx_trial import MULTIPLE
from sge.models.smooth_images import smooth_image
from sge.models.traced import Traced, trace
from sge.models.wording import shown
from sge.nn import ConvolutionalBlockAttention, SGEBlock, eval_view, inactive_groups, spatial_blocks
from sge.parts import PARTS, Detector, detector_of

if TYPE_CHECKING:
    import onnx

Size = tuple[int, int]
"""Height and width in pixels."""
EXAMPLE = (2, 4 * MULTIPLE, 5 * MULTIPLE)
"""Rows, height and width of the image on which the network is recorded."""


def exported_content(model: Model, size: Size | None) -> bytes:
    """The content of the file that ``export_onnx`` writes; arguments and errors are those of ``export_onnx``."""
    import onnx

    network, channels = _in_single_precision(model.network), model.preprocess.channels
    classes = None if model.labels is None else len(model.labels)
    detectors = _detectors(model, network)
    traced = Traced(network, classes, detectors)
    image = smooth_image((EXAMPLE[0], channels, *(size or EXAMPLE[1:])), seed=0)
    sides = size or (square_side(model.preprocess),) * 2
    cells = _cells(traced, smooth_image((1, channels, *sides), seed=0))
    sizes = _sizes(model, traced, image)  # The last pass, whose names the exporter asks for.
    results = list(traced.results)
    _forget(traced, channels)
    proto = onnx.ModelProto.FromString(_recorded(model, traced, image, size is not None))
    _add_edits(proto.graph, traced)
    compared = Comparison(network, proto.SerializeToString(), model.name, channels, classes, size, detectors)
    compared.on_shapes()
    compared.edits()
    blocks = [_block(traced, name, sizes, cells.get(name), image) for name in traced.blocks]
    facts = model_facts(model, blocks, sizes[LOGITS][1] if LOGITS in results else 0)
    facts |= {"sge.multiple": compared.multiple() if size is None else 1, "sge.check": _check(compared.found)}
    facts |= {"sge.results": results, "sge.size": size, "sge.detectors": list(traced.detectors)}
    onnx.helper.set_model_props(proto, {key: json.dumps(value) for key, value in facts.items()})
    content: bytes = proto.SerializeToString()
    return content + tail(hashlib.sha256(content).hexdigest())


def _detectors(model: Model, network: nn.Module) -> dict[str, Detector]:
    """The detectors of the model's finder, with weights as the file states them.

    Raises:
        FinderError: The network has other blocks or groups.
    """
    if model.finder is None:
        return {}
    detectors = {by: detector_of(one.to_record(), PARTS) for by, one in model.finder.detectors.items()}
    groups = {name: block.groups for name, block in spatial_blocks(network).items()}
    for detector in detectors.values():
        detector.check(groups)
    return detectors


def _sizes(model: Model, traced: Traced, image: torch.Tensor) -> dict[str, torch.Size]:
    """Shapes of what the network returns for the example.

    Raises:
        UnsupportedNetworkError: It fails, returns logits of another number of rows, or does not use each block once.
        ChoiceError: The number of labels is another one than that of the classes.
    """
    try:
        with torch.no_grad():
            outputs = traced(image)
    except SGEError:
        raise
    except Exception as error:  # A foreign forward may raise anything.
        raise _unsupported(
            model, f"it fails on an image of {image.shape[3]} x {image.shape[2]} pixels", error
        ) from error
    sizes = {name: output.shape for name, output in zip(traced.names(), outputs, strict=True)}
    if any(name.startswith(RESULT) and name.endswith("/boxes") and len(sizes[name]) == 2 for name in sizes):
        raise UnsupportedNetworkError(
            f"{model.name} cannot be exported: it returns boxes whose number depends on the image. Export the part that has "
            f"the maps, such as its backbone: sge.export_onnx(sge.Model({model.name!r}, network.backbone), path)."
        )
    if (logits := sizes.get(LOGITS)) is not None and logits[0] != len(image):
        raise _unsupported(model, f"it returns logits of {logits[0]} rows for {len(image)} images")
    if logits is not None and model.labels is not None and logits[1] != len(model.labels):
        raise ChoiceError(
            f"The network has {logits[1]} classes, and {len(model.labels)} labels are given. Give the Model a "
            "label for each class."
        )
    return sizes


def _forget(traced: Traced, channels: int) -> None:
    """Runs another size, so that what a network keeps for the size of its last pass is not in the recording.

    YOLO's heads keep the positions of their anchors so. A network that takes no other size keeps nothing of another one.
    """
    with contextlib.suppress(Exception), torch.no_grad():  # A foreign forward may raise anything.
        traced(smooth_image((1, channels, 2 * MULTIPLE, 2 * MULTIPLE), seed=0))


def _recorded(model: Model, traced: Traced, image: torch.Tensor, has_size: bool) -> bytes:
    try:
        return trace(traced, image, has_size)
    except Exception as error:  # The exporter raises errors of many kinds.
        raise _unsupported(model, "torch's exporter does not know one of its operations", error) from error


def _unsupported(model: Model, why: str, error: Exception | None = None) -> UnsupportedNetworkError:
    said = f" ({shown(str(error).strip().splitlines()[0])})" if error and str(error).strip() else ""
    return UnsupportedNetworkError(f"{model.name} cannot be exported: {why}{said}. {SIZE_ADVICE}")


def _add_edits(graph: onnx.GraphProto, traced: Traced) -> None:
    from sge.models.onnx_graph import add_edits, name_energy_nodes

    name_energy_nodes(graph)
    gates = {name: one.groups for name, one in traced.blocks.items() if isinstance(one, SGEBlock)}
    add_edits(graph, gates)


def _cells(traced: Traced, image: torch.Tensor) -> dict[str, Size]:
    """Height and width of each block's maps; nothing if the network does not take an image of that size."""
    try:
        with torch.no_grad():
            outputs = traced(image)
    except Exception:  # A foreign forward may raise anything.
        return {}
    sizes = {name: output.shape for name, output in zip(traced.names(), outputs, strict=True)}
    return {name: (sizes[f"mask/{name}"][2], sizes[f"mask/{name}"][3]) for name in traced.blocks}


def _block(
    traced: Traced, name: str, sizes: dict[str, torch.Size], cells: Size | None, image: torch.Tensor
) -> ExportedBlock:
    block = traced.blocks[name]
    is_sge = isinstance(block, SGEBlock)
    kind = "sge" if is_sge else "cbam" if isinstance(block, ConvolutionalBlockAttention) else "bam"
    stride = max(1, round(image.shape[3] / sizes[f"mask/{name}"][3]))
    inactive = inactive_groups(block)
    return ExportedBlock(name, block.groups, traced.channels[name], stride, inactive, kind, cells)


def model_facts(model: Model, blocks: list[ExportedBlock], classes: int) -> dict[str, Any]:
    """What an exported file states of its model, without what only its check tells."""
    return {
        "sge.version": VERSION,
        "sge.name": model.name,
        "sge.arch": model.arch,
        "sge.labels": None if model.labels is None else list(model.labels),
        "sge.preprocess": replace(model.preprocess, fixed=None).to_record(),
        "sge.card": model.card.to_record(),
        "sge.finder": None if model.finder is None else model.finder.to_record(),
        "sge.permutations": model.permutations,
        "sge.blocks": [block.to_record() for block in blocks],
        "sge.classes": classes,
        "sge.parameters": model.parameters,
        "sge.source_sha256": model.card.sha256,
        "sge.adapter": model.adapter if isinstance(model.adapter, str) else None,
    }


def _check(found: dict[str, float]) -> dict[str, Any]:
    """Measured differences as the file states them, and with what they were measured."""
    import onnxruntime

    record: dict[str, Any] = {
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
    for output, difference in found.items():
        kind, _, block = output.partition("/")
        if kind in ("similarity", "mask", "energy", "part"):
            record.setdefault(kind, {})[block] = difference
        else:
            record[output] = difference
    return record


def _in_single_precision(network: nn.Module) -> nn.Module:
    """The network in eval mode on the CPU with float32 parameters; a copy only where it has others."""
    view = eval_view(network)
    values = [*view.parameters(), *view.buffers()]
    if any(
        value.device.type != "cpu" or value.dtype in (torch.half, torch.bfloat16, torch.double)
        for value in values
    ):
        return copy.deepcopy(view).to("cpu", torch.float32)
    return view
