"""What an exported file states, checked value by value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sge.models.exported_model import KINDS, KINDS_OF_OUTPUTS, LOGITS, RESULT, ExportedBlock
from sge.models.wording import quoted
from sge.parts import Detector, Finder
from sge.text import printable

_OUTPUTS = (
    KINDS_OF_OUTPUTS,
    ("mask",),
    ("similarity", "mask"),
    ("mask", "energy"),
)
"""What a file may give of a block."""
_MAX_TEXT = 200
MAX_SIDE = 1024
"""Of an input or of maps."""
_MAX_NUMBER = 2**40


def results_of(value: object, classes: int) -> tuple[str, ...]:
    """Names of the outputs of the network itself."""
    names: list[str] = checked(
        value, lambda v: isinstance(v, list) and all(isinstance(name, str) for name in v), "results"
    )
    others = [name for name in names if name != LOGITS]
    is_right = len(set(names)) == len(names) and (LOGITS in names) == bool(classes)
    if not is_right or any(name.partition("/")[0] != RESULT for name in others):
        raise ValueError("sge.results names other outputs than logits and output. Export the model again.")
    return tuple(text_of(name, "results") for name in names)


def blocks_of(records: object) -> tuple[ExportedBlock, ...]:
    """The blocks of an entry ``sge.blocks``."""
    if not isinstance(records, list) or not records:
        raise ValueError("sge.blocks is no list of blocks. Export the model again.")
    blocks = tuple(_block(record_of(record, "blocks")) for record in records)
    if len({block.name for block in blocks}) < len(blocks):
        raise ValueError("sge.blocks names a block twice. Export the model again.")
    return blocks


def _block(record: dict[str, Any]) -> ExportedBlock:
    numbers = {key: number_of(record.get(key), key) for key in ("groups", "channels", "stride", "inactive")}
    block = ExportedBlock(
        text_of(record.get("name"), "name"),
        kind=text_of(record.get("kind"), "kind"),
        cells=sides(record.get("cells"), "cells"),
        outputs=_outputs(record.get("outputs", list(KINDS_OF_OUTPUTS))),
        **numbers,
    )
    divides = block.groups > 0 and block.channels % block.groups == 0
    is_known = block.channels > 0 and block.outputs == KINDS_OF_OUTPUTS
    if block.kind not in KINDS or not divides or block.inactive > block.groups or not block.stride:
        raise ValueError(f"the block {quoted(block.name)} cannot be. Export the model again.")
    if not is_known and block.kind != "map":
        raise ValueError(f"the block {quoted(block.name)} cannot be. Export the model again.")
    return block


def _outputs(value: object) -> tuple[str, ...]:
    is_right = value in [list(found) for found in _OUTPUTS]
    return tuple(checked(value, lambda _: is_right, "blocks"))


def detectors_of(value: object, finder: Finder | None) -> dict[str, Detector]:
    """The detectors of the file's finder for which it states that it has outputs."""
    known = {} if finder is None else finder.detectors
    names: list[str] = checked(
        value,
        lambda v: (
            isinstance(v, list)
            and all(isinstance(by, str) and by in known for by in v)
            and len(set(v)) == len(v)
        ),
        "detectors",
    )
    return {by: known[by] for by in names}


def sides(value: object, what: str) -> tuple[int, int] | None:
    """Height and width of a value, or None."""
    if value is None:
        return None
    sides: list[int] = checked(
        value,
        lambda v: (
            isinstance(v, list) and len(v) == 2 and all(type(n) is int and 0 < n <= MAX_SIDE for n in v)
        ),
        what,
    )
    return sides[0], sides[1]


def checked(value: object, is_right: Callable[[Any], bool], what: str) -> Any:
    """A value that must be right."""
    if not is_right(value):
        raise ValueError(
            f"sge.{what} has a value that cannot be: {quoted(str(value)[:80])}. Export the model again."
        )
    return value


def text_of(value: object, what: str) -> str:
    """A short text without control characters."""
    text: str = checked(
        value, lambda v: isinstance(v, str) and 0 < len(v) <= _MAX_TEXT and printable(v) == v, what
    )
    return text


def optional_text(value: object, what: str) -> str | None:
    """``text_of``, or None."""
    return None if value is None else text_of(value, what)


def number_of(value: object, what: str) -> int:
    """A number that counts something."""
    number: int = checked(value, lambda v: type(v) is int and 0 <= v <= _MAX_NUMBER, what)
    return number


def record_of(value: object, what: str) -> dict[str, Any]:
    """A JSON object."""
    record: dict[str, Any] = checked(value, lambda v: isinstance(v, dict), what)
    return record
