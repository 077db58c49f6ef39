"""Small ONNX files as somebody else makes them, built node by node, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

GROUPS, CLASSES = 4, 3
GATE = "att/\u00e4"
"""Name of the maps, as other libraries may have it."""
FLOAT = TensorProto.FLOAT


def foreign(
    *,
    image: tuple[Any, ...] = ("n", 3, "h", "w"),
    element: int = FLOAT,
    opset: int = 17,
    end: str = "Identity",
    gate: str = GATE,
) -> onnx.ModelProto:
    """Features, a gate of four maps made by a sigmoid, scores before it, and ``scores`` of three classes.

    Args:
        image: Shape of the input ``pixels``.
        element: Its type.
        opset: Version of the operators.
        end: Operator that makes ``scores`` of numbers for the classes.
        gate: Name of the maps.
    """
    random = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        values = random.normal(0, 0.3, shape).astype(helper.tensor_dtype_to_np_dtype(element))
        return numpy_helper.from_array(values, name)

    weights = [weight("w1", 8, 3, 8, 8), weight("w2", GROUPS, 8, 1, 1), weight("w3", 8, CLASSES)]
    nodes = [
        helper.make_node("Conv", ["pixels", "w1"], ["features"], strides=[8, 8], name="edit/features"),
        helper.make_node("Conv", ["features", "w2"], ["before"]),
        helper.make_node("Sigmoid", ["before"], [gate]),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w3"], ["numbers"]),
        helper.make_node(end, ["numbers"], ["scores"]),
    ]
    outputs = [
        helper.make_tensor_value_info("scores", element, None),
        helper.make_tensor_value_info(gate, element, ["n", GROUPS, "y", "x"]),
        helper.make_tensor_value_info("before", element, ["n", GROUPS, "y", "x"]),
    ]
    inputs = [helper.make_tensor_value_info("pixels", element, image)]
    graph = helper.make_graph(nodes, "theirs", inputs, outputs, weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="theirs")
    made.ir_version = 8
    return made


def saved(proto: onnx.ModelProto, folder: Path, name: str = "x.onnx") -> Path:
    path = folder / name
    path.write_bytes(proto.SerializeToString())
    return path
