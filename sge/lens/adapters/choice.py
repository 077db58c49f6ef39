"""Which adapter reads the output of a model's network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor

from sge.errors import ChoiceError
from sge.lens.adapters.anchors import read_anchors
from sge.lens.adapters.detections import read_detections
from sge.lens.adapters.logits import described, named_logits, plain_logits
from sge.lens.adapters.queries import read_queries
from sge.nn import Adapter, Output

_ADVICE = "Give the Model an adapter that reads it (sge.lens.adapters)."


def find_adapter(adapter: Adapter | str | None, classes: int | None) -> Adapter:
    """The function that reads outputs.

    Args:
        adapter: Of a ``Model``.
        classes: Number of its labels; None without labels.

    Raises:
        ChoiceError: neither a function nor one of the names; the message lists them.
    """
    if adapter is None:
        return _nothing
    if isinstance(adapter, str):
        if adapter not in ADAPTERS:
            raise ChoiceError(
                f"No adapter {adapter!r}; choose one of: {', '.join(ADAPTERS)}, or give a function."
            )
        return partial(ADAPTERS[adapter], classes)
    if not callable(adapter):
        raise ChoiceError(
            f"An adapter is a function or a name, and this is {type(adapter).__name__}. Names are: {', '.join(ADAPTERS)}."
        )
    return adapter


def _nothing(_output: Any, _input_shape: tuple[int, ...]) -> Output:
    return Output(note="The network's output is not read, because the model has no adapter.")


def _auto(classes: int | None, output: Any, input_shape: tuple[int, ...]) -> Output:
    boxes = read_detections(output)
    if boxes is None:
        boxes = read_queries(output, input_shape, classes)
    if boxes is None:
        boxes = read_anchors(output, input_shape, classes)
    if boxes is not None:
        return _found(boxes)
    if (logits := named_logits(output)) is not None:
        return Output(logits)
    found = plain_logits(output, classes)
    if found is not None and classes is not None:
        return Output(found)
    if found is not None:
        return Output(
            note=f"The network's {found.shape[1]} numbers for each image are not read as classes, because the model has no "
            "labels. Give it labels, or adapter='logits', if they are logits."
        )
    return Output(note=_not_read(output))


def _logits(classes: int | None, output: Any, _input_shape: tuple[int, ...]) -> Output:
    named = named_logits(output)
    found = plain_logits(output, classes) if named is None else named
    return Output(found) if found is not None else Output(note=_not_read(output, "logits"))


def _torchvision(_classes: int | None, output: Any, _input_shape: tuple[int, ...]) -> Output:
    boxes = read_detections(output)
    return _found(boxes) if boxes is not None else Output(note=_not_read(output, "boxes"))


def _ultralytics(classes: int | None, output: Any, input_shape: tuple[int, ...]) -> Output:
    boxes = read_anchors(output, input_shape, classes)
    return _found(boxes) if boxes is not None else Output(note=_not_read(output, "boxes"))


def _detr(classes: int | None, output: Any, input_shape: tuple[int, ...]) -> Output:
    boxes = read_queries(output, input_shape, classes)
    return _found(boxes) if boxes is not None else Output(note=_not_read(output, "boxes"))


def _found(boxes: list[Tensor] | str) -> Output:
    return Output(note=boxes) if isinstance(boxes, str) else Output(boxes=boxes)


def _not_read(output: Any, wanted: str = "logits or boxes") -> str:
    members = list(output.values()) if isinstance(output, Mapping) else output
    members = [members] if isinstance(members, Tensor) else members
    if isinstance(members, list | tuple) and members and all(_is_map(one) for one in members):
        return (
            "The network returns maps, of features or of the classes of pixels: it predicts nothing of the whole image, "
            f"so that there are masks only ({described(output)})."
        )
    return f"The network returns {described(output)}, which is not read as {wanted}. {_ADVICE}"


def _is_map(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() == 4


ADAPTERS: dict[str, Callable[[int | None, Any, tuple[int, ...]], Output]] = {
    "auto": _auto,
    "logits": _logits,
    "torchvision": _torchvision,
    "ultralytics": _ultralytics,
    "detr": _detr,
}
"""Name to a function of the number of labels, the output and the input's shape: what is unambiguous; logits also without
labels; the list of dicts of torchvision's detectors; the anchors of ultralytics' networks and their like; the queries of
DETR and its like."""
