"""Recognizes models that are protocol buffers, which have no mark at their start, by their first fields."""

from __future__ import annotations

from sge.models.wording import GIVE_PYTORCH

HEAD = 4096
"""Number of bytes from the start of a file by which its kind is told."""
_VARINT, _BYTES = 0, 2
_ONNX = "is an ONNX model."
_MODEL_PROTO = {
    1: _VARINT,
    2: _BYTES,
    3: _BYTES,
    4: _BYTES,
    5: _VARINT,
    6: _BYTES,
    7: _BYTES,
    8: _BYTES,
    14: _BYTES,
}
_MODEL_PROTO |= {20: _BYTES, 25: _BYTES, 26: _BYTES}
"""Fields of ONNX's ModelProto, and how each is written."""


def protobuf_kind(head: bytes) -> str:
    """Returns the sentence on a model of ONNX or TensorFlow; empty if the bytes begin neither.

    Args:
        head: The first bytes of a file.
    """
    fields = _fields(head)
    if len(fields) < 2 and not (fields and fields[0][0] == 1):
        return ""
    number, kind, value = fields[0]
    if (number, kind) == (1, _VARINT) and len(fields) > 1:
        if (
            isinstance(fields[1][2], bytes)
            and fields[1][0] == 2
            and value == 1
            and _is_meta_graph(fields[1][2])
        ):
            return f"is a SavedModel of TensorFlow. {GIVE_PYTORCH}"
        if isinstance(value, int) and 1 <= value < 100 and _is_onnx(fields):
            return f"{_ONNX} {GIVE_PYTORCH}"
    if (
        (number, kind) == (1, _BYTES)
        and isinstance(value, bytes)
        and value[:1] == b"\x0a"
        and b"\x12" in value[:256]
    ):
        return f"is a graph of TensorFlow. {GIVE_PYTORCH}"
    return ""


def is_onnx(head: bytes) -> bool:
    """Whether the first bytes of a file begin an ONNX model."""
    return protobuf_kind(head).startswith(_ONNX)


def _is_onnx(fields: list[tuple[int, int, int | bytes]]) -> bool:
    right = all(_MODEL_PROTO.get(number) == kind for number, kind, _ in fields)
    names = {number for number, _, _ in fields}
    producer = next((value for number, _, value in fields if number == 2), b"x")
    return right and bool(names & {2, 7, 8}) and isinstance(producer, bytes) and producer.isascii()


def _is_meta_graph(value: bytes) -> bool:
    return value[:1] == b"\x0a" and not value.isascii()


def _fields(head: bytes) -> list[tuple[int, int, int | bytes]]:
    """Reads top-level fields until the first one that goes on after the head, which is the last that is returned."""
    found: list[tuple[int, int, int | bytes]] = []
    at = 0
    while at < len(head):
        key, at = _varint(head, at)
        kind = key & 7
        if kind not in (_VARINT, _BYTES) or not 0 < key >> 3 < 1 << 12 or at >= len(head):
            return found if at >= len(head) else []
        number, at = _varint(head, at)
        if kind == _BYTES:
            found.append((key >> 3, kind, head[at : at + number]))
            at += number
        else:
            found.append((key >> 3, kind, number))
    return found


def _varint(head: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(head):
            break
        value |= (head[at] & 0x7F) << shift
        at += 1
        if head[at - 1] < 0x80:
            break
    return value, at
