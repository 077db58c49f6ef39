"""Which tensors of an ONNX file could be maps, for the sentence that asks for their names."""

from __future__ import annotations

import onnx

from sge.arrays import Array
from sge.errors import CheckpointError
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
    gates = [node.output[0] for node in proto.graph.node if node.op_type in _GATES]
    found = _found(proto, interface, size, list(dict.fromkeys([*outputs, *gates]))[:_MAX_TRIED])
    listed = [f"{quoted(name)} {shape}" for name, shape in found.items() if name in outputs][:_MAX_LISTED]
    inside = [f"{quoted(name)} {shape}" for name, shape in found.items() if name not in outputs][:_MAX_LISTED]
    if not found:
        names = ", ".join(quoted(name) for name in outputs[:_MAX_LISTED])
        return CheckpointError(
            f"{where} has no maps that could be shown: its outputs ({names}) have not the shape (rows, groups, height, "
            "width), and no sigmoid in it makes such a tensor. Export it again with the maps as outputs."
        )
    could = f" Its outputs that could be maps: {', '.join(listed)}." * bool(listed)
    could += f" Tensors in it that a sigmoid makes: {', '.join(inside)}." * bool(inside)
    first = shown(next(iter(found)))
    return CheckpointError(
        f"{where} does not say which of its outputs are maps.{could} Name each that is to be shown, such as --maps "
        f"'layer4={first}', in Python maps={{'layer4': {first!r}}}."
    )


def _found(
    proto: onnx.ModelProto, interface: Interface, size: int, names: list[str]
) -> dict[str, tuple[int, ...]]:
    """Tensors of four axes with more than one position, and their shapes for one image."""
    height, width = interface.size or (-(-size // MULTIPLE) * MULTIPLE,) * 2
    image = drawn_images(1, interface.channels, height, width)
    made = {name for node in proto.graph.node for name in node.output}
    tensors = [Output(f"other/{at}", name, 4) for at, name in enumerate(names) if name in made]
    values = _run(proto, interface, tensors, image)
    shapes = {one.tensor: values[one.name].shape for one in tensors if one.name in values}
    return {name: shape for name, shape in shapes.items() if len(shape) == 4 and shape[2] * shape[3] > 1}


def _run(
    proto: onnx.ModelProto, interface: Interface, tensors: list[Output], image: Array
) -> dict[str, Array]:
    try:
        return Session(rewritten(proto, interface, tensors).SerializeToString(), "The file").run(image)
    except CheckpointError:
        return {}
