"""Which tensors of an ONNX file that somebody else made are maps, and of which blocks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import onnx

from sge.errors import ChoiceError
from sge.models.exported_model import KINDS_OF_OUTPUTS
from sge.models.wording import first_few, quoted, shown

MASK, SIMILARITY, ENERGY = "mask", "similarity", "energy"
MAX_BLOCKS = 500
GivenMaps = Mapping[str, str] | Sequence[str]
"""Name of a block to the name of a tensor; or the same as texts ``NAME=OUTPUT``."""
_SIGMOID = re.compile(r"sigmoid\((.+)\)", re.S)
_NO_NAME = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class ChosenMap:
    """One map of a block."""

    block: str
    kind: str
    """``mask``, ``similarity`` or ``energy``."""
    tensor: str
    """Its name in the file."""
    is_before_sigmoid: bool = False

    @property
    def name(self) -> str:
        """Of the output of the imported file."""
        return f"{self.kind}/{self.block}"


def chosen_maps(graph: onnx.GraphProto, given: GivenMaps) -> list[ChosenMap]:
    """The maps that a user names.

    Args:
        graph: Whose tensors they are: outputs of it, or of its nodes.
        given: As ``NAME=OUTPUT``: NAME is that of the block, alone or after ``mask/``, ``similarity/`` or ``energy/``;
            OUTPUT that of the tensor, or ``sigmoid(OUTPUT)`` for scores to which a sigmoid is added.

    Raises:
        ChoiceError: A text of another form, a tensor that the file does not have, or a block without a mask.
    """
    if isinstance(given, str):
        given = [given]
    pairs = list(given.items()) if isinstance(given, Mapping) else [_pair(text) for text in given]
    known = _tensors(graph)
    chosen = [_chosen(name, tensor, known, graph) for name, tensor in pairs]
    masks = [one.block for one in chosen if one.kind == MASK]
    if len({one.name for one in chosen}) < len(chosen):
        raise ChoiceError("maps name the same map of a block twice. Give each block a name of its own.")
    if alone := [one.block for one in chosen if one.block not in masks]:
        raise ChoiceError(
            f"The block {quoted(alone[0])} has no mask. Name it: mask/{shown(alone[0])}=OUTPUT."
        )
    return _checked(chosen)


def own_maps(graph: onnx.GraphProto) -> list[ChosenMap]:
    """The maps of outputs that are named as in our own files; none where no mask is among them."""
    chosen: list[ChosenMap] = []
    for output in graph.output:
        kind, _, block = output.name.partition("/")
        if kind in KINDS_OF_OUTPUTS and block:
            chosen.append(ChosenMap(_NO_NAME.sub("_", block)[:80], kind, output.name))
    masks = {one.block for one in chosen if one.kind == MASK}
    found = {one.name: one for one in chosen if one.block in masks}
    return _checked(list(found.values()))


def _checked(chosen: list[ChosenMap]) -> list[ChosenMap]:
    if len(chosen) > MAX_BLOCKS:
        raise ChoiceError(f"{len(chosen)} maps are named; at most {MAX_BLOCKS} can be shown. Name fewer.")
    return chosen


def _pair(text: str) -> tuple[str, str]:
    name, equals, tensor = text.partition("=")
    if not (name.strip() and equals and tensor.strip()):
        raise ChoiceError(f"maps has {quoted(text)}; write NAME=OUTPUT, such as layer4=attention_output.")
    return name.strip(), tensor.strip()


def _chosen(name: str, tensor: str, known: Iterable[str], graph: onnx.GraphProto) -> ChosenMap:
    kind, slash, block = name.partition("/")
    if not slash or kind not in KINDS_OF_OUTPUTS:
        kind, block = MASK, name
    if not re.fullmatch(r"[\w.-]{1,80}", block):
        better = _NO_NAME.sub("_", block).strip("_")[:80] or "block"
        raise ChoiceError(
            f"{quoted(block)} cannot be a block's name. Use letters, digits, '.', '_' and '-', such as "
            f"{better}={shown(tensor)}."
        )
    inside = _SIGMOID.fullmatch(tensor)
    if tensor not in known and inside and kind == MASK:
        return ChosenMap(block, kind, _known(inside[1].strip(), known, graph), True)
    return ChosenMap(block, kind, _known(tensor, known, graph))


def _known(tensor: str, known: Iterable[str], graph: onnx.GraphProto) -> str:
    if tensor not in known:
        listed = first_few([output.name for output in graph.output], 8)
        raise ChoiceError(
            f"The file has no output and no tensor {quoted(tensor)}. Its outputs are: {listed}."
        )
    return tensor


def _tensors(graph: onnx.GraphProto) -> set[str]:
    return {name for node in graph.node for name in node.output if name}
