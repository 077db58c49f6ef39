"""The graph of an ONNX file that somebody else made: its input, and the graph that is made of it for an imported file.

Nothing runs here. Tensors of the file have new names in the graph that is made, so that no name of it has a meaning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sge.errors import CheckpointError
from sge.images import MAX_SIZE
from sge.models.onnx_checks import OLDEST_OPSET, graph_problems
from sge.models.onnx_graph import needed_nodes
from sge.models.wording import first_few, shown

FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE}
IMAGE = "image"
_GIVEN, _OWN = "given/", "own/"
_SAVE = "Save it as one file with operators of ONNX alone (the packages onnxsim and onnx.inliner do that)."
_EPS = 1e-5
_LEAST = 1e-30
"""Added to probabilities before their logarithm."""


@dataclass(frozen=True)
class Interface:
    """The one input of a file."""

    name: str
    element: int
    """Its type, a number of ``TensorProto.DataType``."""
    channels: int
    size: tuple[int, int] | None
    """Height and width, where it takes no other; None where it takes any."""
    rows: int | None
    """1 where it takes no other number of images; None where it takes any."""


@dataclass(frozen=True)
class Output:
    """An output of the graph that is made."""

    name: str
    tensor: str
    """In the file."""
    rank: int
    steps: tuple[str, ...] = ()
    """What is done to it, of ``sigmoid``, ``log`` and ``standardize``."""
    groups: int | None = None
    """Where the maps of all groups lie one after the other as rows, (N * groups, 1, h, w), their number."""


def normalized_graph(proto: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """A copy whose operators are of the domain without a name, if they are ONNX's own; names of nodes are left out.

    Raises:
        CheckpointError: It needs other files or operators, has loops or functions, or weights that cannot be.
    """
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    versions = {entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")}
    del made.opset_import[:]
    made.opset_import.extend(helper.make_opsetid("", version) for version in sorted(versions)[:1])
    for node in made.graph.node:
        node.domain = "" if node.domain == "ai.onnx" else node.domain
        node.name = ""
    for problem in graph_problems(made, OLDEST_OPSET):
        raise CheckpointError(
            f"{where} {problem.replace('exported files', 'files that are imported')} {_SAVE}"
        )
    return made


def interface_of(graph: onnx.GraphProto, where: str) -> Interface:
    """The input of a file.

    Raises:
        CheckpointError: It is not one float tensor (rows, channels, height, width) of gray or RGB images.
    """
    weights = {one.name for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in weights]
    if len(inputs) != 1:
        listed = first_few([one.name for one in inputs]) or "none"
        raise CheckpointError(
            f"{where} has {len(inputs)} inputs ({listed}), and only files with one, the image, are shown. Export it again "
            "with the other values inside."
        )
    (given,) = inputs
    tensor = given.type.tensor_type
    if tensor.elem_type not in FLOATS:
        kind = shown(_type_name(tensor.elem_type))
        raise CheckpointError(
            f"{where} takes images of type {kind}, and only normalized numbers of floating point are given. Export it "
            "again without the part that reads pixels."
        )
    sides = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    for problem in _shape_problems(sides):
        raise CheckpointError(f"{where} takes images of shape {_shape(tensor)}; {problem}")
    height, width = sides[2:]
    size = None if height is None or width is None else (height, width)
    return Interface(given.name, tensor.elem_type, sides[1] or 3, size, sides[0])


def _shape_problems(sides: list[int | None]) -> Iterator[str]:
    if len(sides) != 4:
        yield "it must be (rows, channels, height, width). Export it again for such images."
        return
    rows, channels, height, width = sides
    if channels not in (1, 3, None):
        if width in (1, 3):
            yield "the channels come last. Export it again with the channels first (tf2onnx: --inputs-as-nchw)."
        else:
            yield "images are read as RGB or gray. Export a network for 3 channels or 1."
    if rows not in (1, None):
        yield "a pass takes several images only. Export it again for one image, or for any number."
    if (height is None) != (width is None):
        yield "one side is fixed and the other is not. Export it again with both fixed, or none."
    if any(side is not None and not 1 <= side <= MAX_SIZE for side in (height, width)):
        yield f"sides are 1 to {MAX_SIZE} pixels. Export it again for smaller images."


def _shape(tensor: onnx.TypeProto.Tensor) -> str:
    sides = [
        str(dim.dim_value) if dim.HasField("dim_value") else shown(dim.dim_param or "?")
        for dim in tensor.shape.dim
    ]
    return f"({', '.join(sides[:8])})"


def _type_name(element: int) -> str:
    try:
        return str(TensorProto.DataType.Name(element)).lower()
    except ValueError:
        return str(element)


def rewritten(proto: onnx.ModelProto, interface: Interface, outputs: Sequence[Output]) -> onnx.ModelProto:
    """The graph with the input ``image`` and the given outputs, float32, and with nothing that they do not need.

    Args:
        proto: From ``normalized_graph``.
        interface: Of the file, or with a fixed size or number of rows.
        outputs: In their order.
    """
    graph = proto.graph
    needed = needed_nodes(graph, [one.tensor for one in outputs])
    nodes = [_renamed(node) for at, node in enumerate(graph.node) if at in needed]
    read = {name for node in nodes for name in node.input}
    weights = []
    for one in graph.initializer:
        if _GIVEN + one.name in read:
            kept = onnx.TensorProto()
            kept.CopyFrom(one)
            kept.name = _GIVEN + one.name
            weights.append(kept)
    start = helper.make_node("Cast", [IMAGE], [_GIVEN + interface.name], to=interface.element)
    made = [start, *nodes]
    for at, output in enumerate(outputs):
        ending = _Ending(at, output)
        made += ending.nodes
        weights += ending.weights
    height, width = interface.size or ("height", "width")
    image = helper.make_tensor_value_info(
        IMAGE, TensorProto.FLOAT, [interface.rows or "rows", interface.channels, height, width]
    )
    infos = [
        helper.make_tensor_value_info(
            one.name, TensorProto.FLOAT, [f"{one.name}/{axis}" for axis in range(one.rank)]
        )
        for one in outputs
    ]
    new = helper.make_model(
        helper.make_graph(made, "imported", [image], infos, weights), opset_imports=proto.opset_import
    )
    new.ir_version = max(4, proto.ir_version)
    return new


def _renamed(node: onnx.NodeProto) -> onnx.NodeProto:
    new = onnx.NodeProto()
    new.CopyFrom(node)
    new.input[:] = [_GIVEN + name if name else "" for name in node.input]
    new.output[:] = [_GIVEN + name if name else "" for name in node.output]
    return new


class _Ending:
    """Nodes that make an output of a tensor of the file, with their constants."""

    def __init__(self, at: int, output: Output) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._prefix = f"{_OWN}{at}/"
        last = self._op("Cast", _GIVEN + output.tensor, to=TensorProto.FLOAT)
        if output.groups is not None:
            last = self._op("Reshape", last, self._constant([-1, output.groups, 0, 0], np.int64))
        if "sigmoid" in output.steps:
            last = self._op("Sigmoid", last)
        if "log" in output.steps:
            last = self._op("Log", self._op("Add", last, self._constant(_LEAST, np.float32)))
        if "standardize" in output.steps:
            # The mean over space of every version of ONNX.
            centered = self._op("Sub", last, self._op("GlobalAveragePool", last))
            spread = self._op("Sqrt", self._op("GlobalAveragePool", self._op("Mul", centered, centered)))
            self._op("Div", centered, self._op("Add", spread, self._constant(_EPS, np.float32)))
        self.nodes[-1].output[:] = [output.name]

    def _op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{self._prefix}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def _constant(self, values: object, dtype: type[np.generic]) -> str:
        name = f"{self._prefix}constant/{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(values, dtype), name))
        return name
