"""Graphs of exported files: inputs that edit masks, and files reduced to some outputs. Needs ``onnx`` and no torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sge.errors import ChoiceError

KEEP, FLAT = "keep/", "flat/"
"""Beginnings of the names of the inputs that edit masks."""
EDIT, ENERGY = "edit/", "energy/"
"""Beginnings of the names of nodes and tensors that serve only edits, or only energies."""
_SPACE = f"{EDIT}space"
"""Name of the constant with the two axes of a mask's positions."""


def add_edits(graph: onnx.GraphProto, groups: dict[str, int]) -> None:
    """Lets the mask that multiplies be ``keep * mask + flat * mean(mask over space)``, with two inputs for each block.

    The inputs are float32 (edits, G) and have defaults, 1 and 0, that change nothing.

    Args:
        graph: Has a tensor ``mask/BLOCK`` for each block; changed in place.
        groups: SGE block to its number of groups.
    """
    if not groups:
        return
    graph.initializer.append(numpy_helper.from_array(np.array([2, 3], np.int64), _SPACE))
    for block, number in groups.items():
        mask = f"mask/{block}"
        at, users = _users(graph, mask)
        for name, value in ((f"{KEEP}{block}", 1), (f"{FLAT}{block}", 0)):
            default = np.full((1, number), value, np.float32)
            graph.initializer.append(numpy_helper.from_array(default, name))
            graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["edits", number]))
        for node in users:
            node.input[:] = [f"{EDIT}{block}/mask" if name == mask else name for name in node.input]
        for offset, node in enumerate(_edit_nodes(block)):
            graph.node.insert(at + offset, node)


def _users(graph: onnx.GraphProto, tensor: str) -> tuple[int, list[onnx.NodeProto]]:
    """Position of the first node that reads a tensor, and all of these nodes."""
    found = [(at, node) for at, node in enumerate(graph.node) if tensor in node.input]
    return (found[0][0] if found else len(graph.node)), [node for _, node in found]


def _edit_nodes(block: str) -> list[onnx.NodeProto]:
    mask, own = f"mask/{block}", f"{EDIT}{block}/"

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(kind, inputs, [own + output], name=own + output, **attributes)

    return [
        node("ReduceMean", [mask, _SPACE], "mean", keepdims=1),
        node("Unsqueeze", [f"{KEEP}{block}", _SPACE], "keep"),
        node("Unsqueeze", [f"{FLAT}{block}", _SPACE], "flat"),
        node("Mul", [mask, own + "keep"], "kept"),
        node("Mul", [own + "mean", own + "flat"], "flattened"),
        node("Add", [own + "kept", own + "flattened"], "mask"),
    ]


def name_energy_nodes(graph: onnx.GraphProto) -> None:
    """Gives every node that serves no output but energies a name that begins with ``energy/``."""
    others = needed_nodes(graph, [out.name for out in graph.output if not out.name.startswith(ENERGY)])
    for at, node in enumerate(graph.node):
        if at not in others:
            node.name = f"{ENERGY}{at}"


def needed_nodes(graph: onnx.GraphProto, outputs: Iterable[str]) -> set[int]:
    """Positions of the nodes from which outputs are computed."""
    maker = {output: at for at, node in enumerate(graph.node) for output in node.output}
    waiting = [maker[name] for name in outputs if name in maker]
    needed: set[int] = set()
    while waiting:
        at = waiting.pop()
        if at not in needed:
            needed.add(at)
            waiting += [maker[name] for name in graph.node[at].input if name in maker]
    return needed


def reduced(file: str | os.PathLike[str] | bytes, outputs: Sequence[str], edits: bool) -> bytes:
    """An exported file with some of its outputs, and only the nodes and weights that they need.

    Args:
        file: Path or content of a file that ``export_onnx`` wrote.
        outputs: Names such as ``logits``, ``mask/layer3.5``, in any order; they become the outputs in this order.
        edits: Keep the inputs ``keep/BLOCK`` and ``flat/BLOCK``. Without them the graph is as if it never had them.

    Returns:
        The content of an ONNX file.

    Raises:
        ChoiceError: The file has no output of a given name.
    """
    model = onnx.load_model_from_string(file) if isinstance(file, bytes) else onnx.load(file)
    graph = model.graph
    known = {output.name: output for output in graph.output}
    if unknown := [name for name in outputs if name not in known] or (not outputs and ["nothing"]):
        raise ChoiceError(f"The file has no output {', '.join(unknown)}; there are: {', '.join(known)}.")
    if not edits:
        _remove_edits(graph)
    _replace(graph.output, [known[name] for name in dict.fromkeys(outputs)])
    needed = needed_nodes(graph, outputs)
    _replace(graph.node, [node for at, node in enumerate(graph.node) if at in needed])
    read = {name for node in graph.node for name in node.input}
    _replace(graph.initializer, [one for one in graph.initializer if one.name in read])
    _replace(graph.input, [one for one in graph.input if one.name in read or one.name == "image"])
    del graph.value_info[:]
    del model.metadata_props[:]
    return model.SerializeToString()  # type: ignore[no-any-return]


def _remove_edits(graph: onnx.GraphProto) -> None:
    own = {out for node in graph.node if node.name.startswith(EDIT) for out in node.output}
    _replace(graph.node, [node for node in graph.node if not node.name.startswith(EDIT)])
    for node in graph.node:
        node.input[:] = [
            f"mask/{name.removeprefix(EDIT).removesuffix('/mask')}" if name in own else name
            for name in node.input
        ]


def _replace(field: object, kept: list[object]) -> None:
    """Sets a repeated field of messages to some of its own."""
    copies = [type(one).FromString(one.SerializeToString()) for one in kept]  # type: ignore[attr-defined]
    del field[:]  # type: ignore[attr-defined]
    field.extend(copies)  # type: ignore[attr-defined]
