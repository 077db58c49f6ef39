"""Checks of an exported file's graph before anything runs it: only operators of ONNX, all weights inside, known names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, numpy_helper

from sge.errors import CheckpointError
from sge.models.exported_model import KINDS_OF_OUTPUTS, LOGITS, ExportedBlock, ExportedModel, part_output
from sge.models.onnx_graph import FLAT, KEEP
from sge.models.wording import shown
from sge.parts import Detector

MIN_OPSET = 17
"""Of the files that ``export_onnx`` writes."""
OLDEST_OPSET = 7
"""Of files that somebody else made; ONNX Runtime promises no older one."""
ANY = None
_AGAIN = "Export the model again."
_GRAPHS = (AttributeProto.GRAPH, AttributeProto.GRAPHS)


def output_names(
    blocks: Iterable[ExportedBlock],
    results: Iterable[str] = (LOGITS,),
    detectors: Mapping[str, Detector] | None = None,
) -> list[str]:
    """The outputs of an exported file: the network's own, then similarity, masks and energies, and maps of detectors."""
    blocks = tuple(blocks)
    return [
        *results,
        *(f"{kind}/{one.name}" for kind in KINDS_OF_OUTPUTS for one in blocks if kind in one.outputs),
        *(
            part_output(by, one.block)
            for by, detector in (detectors or {}).items()
            for one in detector.blocks
        ),
    ]


def check_graph(proto: onnx.ModelProto, model: ExportedModel, where: str) -> None:
    """Checks that a graph is one that ``export_onnx`` could have written.

    Args:
        proto: The parsed file.
        model: What the file states.
        where: The file's name, for the sentence.

    Raises:
        CheckpointError: It needs other files or operators of other domains, has loops, numbers that are not finite, or
            other inputs and outputs than stated.
    """
    oldest = OLDEST_OPSET if model.is_foreign else MIN_OPSET
    for problem in (*graph_problems(proto, oldest), *_interface_problems(proto.graph, model)):
        raise CheckpointError(f"{where} {problem} {_AGAIN}")


def graph_problems(proto: onnx.ModelProto, oldest: int) -> Iterator[str]:
    """Why a graph is not run, each the end of a sentence that begins with the file's name.

    Args:
        proto: The parsed file.
        oldest: The smallest number of ONNX's operators that is taken.
    """
    graph = proto.graph
    if proto.functions or graph.sparse_initializer or proto.training_info:
        yield "holds functions, sparse weights or training steps, which exported files do not have."
    opsets = {entry.domain: entry.version for entry in proto.opset_import}
    newest = onnx.defs.onnx_opset_version()
    if set(opsets) != {""} or not oldest <= opsets[""] <= newest:
        yield f"needs operators beyond versions {oldest} to {newest} of ONNX's own."
    for node in graph.node:
        if node.domain:
            yield f"needs the operator {_word(node.op_type)} of {_word(node.domain)}."
        if any(attribute.type in _GRAPHS for attribute in node.attribute):
            yield f"has a loop or a choice ({_word(node.op_type)}), which exported files do not have."
    for tensor in _tensors(graph):
        yield from _tensor_problems(tensor)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from ([attribute.t] if attribute.HasField("t") else ())
            yield from attribute.tensors


def _tensor_problems(tensor: onnx.TensorProto) -> Iterator[str]:
    if tensor.external_data or tensor.data_location == TensorProto.EXTERNAL:
        yield "keeps weights in other files."
        return
    if min(tensor.dims, default=0) < 0:
        yield f"has weights {_word(tensor.name)} of a size below 0."
        return
    try:
        values = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, MemoryError):
        yield f"has weights {_word(tensor.name)} that are not of their shape."
        return
    if values.dtype.kind == "f" and not np.isfinite(values).all() and values.size > 1:
        yield f"has weights {_word(tensor.name)} that are not finite."


def _word(name: str | bytes) -> str:
    """A name in a file, for a sentence; one that is no text comes as bytes."""
    return shown(name.decode("utf-8", "replace") if isinstance(name, bytes) else name)


def _interface_problems(graph: onnx.GraphProto, model: ExportedModel) -> Iterator[str]:
    defaults = {one.name: one for one in graph.initializer}
    wanted: dict[str, list[int | None]] = {
        "image": [model.rows, model.preprocess.channels, *(model.size or (ANY, ANY))]
    }
    for block in model.blocks:
        if block.kind == "sge":
            wanted |= {f"{edit}{block.name}": [ANY, block.groups] for edit in (KEEP, FLAT)}
    if {one.name for one in graph.input} != set(wanted) or len(graph.input) != len(wanted):
        yield "has other inputs than the image and two for each block with groups."
        return
    for one in graph.input:
        if not _has_shape(one, wanted[one.name]):
            yield f"has an input {_word(one.name)} of another type or shape than {wanted[one.name]}."
        if one.name != "image" and (
            one.name not in defaults or list(defaults[one.name].dims) != [1, wanted[one.name][1]]
        ):
            yield f"has an input {_word(one.name)} without a default."
    if [one.name for one in graph.output] != output_names(model.blocks, model.results, model.detectors):
        yield "has other outputs than it states and similarity, masks and energies of its blocks and parts."


def _has_shape(info: onnx.ValueInfoProto, wanted: list[int | None]) -> bool:
    tensor = info.type.tensor_type
    sides = [dim.dim_value if dim.HasField("dim_value") else ANY for dim in tensor.shape.dim]
    return tensor.elem_type == TensorProto.FLOAT and sides == wanted
