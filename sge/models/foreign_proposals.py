"""Which tensors of an ONNX file could be maps, for the sentence that asks for their names."""

from __future__ import annotations

import onnx

from sge.arrays import Array
from sge.errors import CheckpointError
from sge.models.exported_model import RANGE
from sge.models.foreign_graph import Interface, Output, rewritten
from sge.models.foreign_trial import drawn_images
from sge.models.onnx_trial import MULTIPLE, Session
from sge.models.wording import quoted, shown

_GATES = ("Sigmoid", "HardSigmoid", "Softmax")
_MAX_TRIED = 200
_MAX_LISTED = 6


def propose(proto: onnx.ModelProto, interface: Interface, size: int, where: str) -> CheckpointError:
    """The error that says which outputs, and which tensors that a sigmoid makes, could be maps.

    Args:
        proto: From ``normalized_graph``.
        interface: Of the file.
        size: Side of the image on which it is tried, where it takes any.
        where: The file's name.
    """
    outputs = [one.name for one in proto.graph.output]
    names = list(dict.fromkeys([*outputs, *_gates(proto.graph)]))[:_MAX_TRIED]
    found = _found(proto, interface, size, names)
    if not found:
        names_of = ", ".join(quoted(name) for name in outputs[:_MAX_LISTED])
        return CheckpointError(
            f"{where} has no maps that could be shown: its outputs ({names_of}) have not the shape (rows, groups, height, "
            "width), and no sigmoid in it makes such a tensor. Export it again with the maps as outputs."
        )
    named = {name: _in_words(name, values) for name, values in found.items()}
    listed = [text for name, text in named.items() if name in outputs][:_MAX_LISTED]
    inside = [text for name, text in named.items() if name not in outputs][:_MAX_LISTED]
    could = f" Its outputs that could be maps: {', '.join(listed)}." * bool(listed)
    could += f" Tensors in it that a sigmoid makes: {', '.join(inside)}." * bool(inside)
    gates = set(_gates(proto.graph))
    likely = sorted(found, key=lambda name: name not in gates)
    best = next((name for name in likely if _in_range(found[name])), None)
    first = shown(next(iter(found)) if best is None else best)
    first = f"sigmoid({first})" if best is None else first
    return CheckpointError(
        f"{where} does not say which of its outputs are maps.{could} Name each that is to be shown, such as --maps "
        f"'layer4={first}', in Python maps={{'layer4': {first!r}}}."
    )


def _gates(graph: onnx.GraphProto) -> list[str]:
    """Tensors that a sigmoid makes, without those of activations x * sigmoid(x)."""
    products = {frozenset(node.input) for node in graph.node if node.op_type == "Mul"}
    return [
        node.output[0]
        for node in graph.node
        if node.op_type in _GATES and frozenset((node.input[0], node.output[0])) not in products
    ]


def _in_words(name: str, values: Array) -> str:
    beyond = "" if _in_range(values) else ", beyond 0 to 1"
    return f"{quoted(name)} {values.shape}{beyond}"


def _in_range(values: Array) -> bool:
    return bool(values.min() >= -RANGE and values.max() <= 1 + RANGE)


def _found(proto: onnx.ModelProto, interface: Interface, size: int, names: list[str]) -> dict[str, Array]:
    """Tensors of four axes with more than one position, for one image."""
    height, width = interface.size or (-(-size // MULTIPLE) * MULTIPLE,) * 2
    image = drawn_images(1, interface.channels, height, width)
    made = {name for node in proto.graph.node for name in node.output}
    tensors = [Output(f"other/{at}", name, 4) for at, name in enumerate(names) if name in made]
    found = _run(proto, interface, tensors, image)
    values = {one.tensor: found[one.name] for one in tensors if one.name in found}
    return {name: one for name, one in values.items() if one.ndim == 4 and one.size and one[0, 0].size > 1}


def _run(
    proto: onnx.ModelProto, interface: Interface, tensors: list[Output], image: Array
) -> dict[str, Array]:
    try:
        return Session(rewritten(proto, interface, tensors).SerializeToString(), "The file").run(image)
    except CheckpointError:
        return {}
