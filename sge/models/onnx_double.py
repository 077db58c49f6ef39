"""Runs the graph of an exported file in double precision, where rounding is too small to explain a difference.

ONNX's own reference evaluator computes it with NumPy: slowly, in the precision of the graph's numbers. Needs ``onnx``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sge.arrays import Array

if TYPE_CHECKING:
    import onnx


class DoubleGraph:
    """A graph whose weights, constants and conversions are in double precision.

    Args:
        content: Of an ONNX file in single precision.

    Raises:
        Exception: Of any kind, if the evaluator does not know an operator.
    """

    def __init__(self, content: bytes) -> None:
        import onnx
        from onnx.reference import ReferenceEvaluator

        model = onnx.load_model_from_string(content)
        del model.graph.value_info[:]
        for tensor in _tensors(model.graph):
            _widen(tensor)
        for one in [*model.graph.input, *model.graph.output]:
            if one.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
                one.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
        self._names = [one.name for one in model.graph.output]
        self._evaluator = ReferenceEvaluator(model)

    def run(self, image: Array, edits: dict[str, Array] | None = None) -> dict[str, Array]:
        """All outputs by name, float64.

        Args:
            image: (N, channels, h, w).
            edits: Values of the inputs for edits.

        Raises:
            Exception: Of any kind, if the evaluator fails.
        """
        feeds = {
            name: values.astype(np.float64) for name, values in ({"image": image} | (edits or {})).items()
        }
        with np.errstate(all="ignore"):
            return dict(zip(self._names, self._evaluator.run(None, feeds), strict=True))


def _tensors(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    found = list(graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                found.append(attribute.t)
            elif node.op_type == "Cast" and attribute.name == "to" and attribute.i == 1:
                attribute.i = 11  # from FLOAT to DOUBLE, as everything else
    return found


def _widen(tensor: onnx.TensorProto) -> None:
    from onnx import TensorProto, numpy_helper

    if tensor.data_type == TensorProto.FLOAT:
        wide = numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
