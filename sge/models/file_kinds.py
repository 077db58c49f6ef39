"""What a file is, by its content; its name counts for nothing.

``kind_of`` is asked before anything else reads a file. Of the kinds, only safetensors and the two forms of a torch
checkpoint can be read; each other one has a sentence that says what to do.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from sge.models.protobuf_kinds import HEAD, protobuf_kind
from sge.models.torch_files import begins_legacy, zip_names
from sge.models.wording import AGAIN, CHOOSE_WEIGHTS, GIVE_PYTORCH
from sge.models.zip_kinds import cut_off_zip, zip_kind

MAX_SAFETENSORS_HEADER = 100_000_000

_UNPACK = "Unpack it and give the weights file that is in it."
_CONVERT = "Load it with the library that wrote it and save the tensors: safetensors.torch.save_file(state_dict, path)."

_MAGIC: list[tuple[bytes, str, str]] = [
    (
        b"version https://git-lfs.github.com/spec/",
        "a pointer of Git LFS, not the file itself",
        "Fetch it: git lfs pull.",
    ),
    (b"/annex/objects/", "a pointer of git-annex, not the file itself", "Fetch it: git annex get FILE."),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes it", _CONVERT),
    (b"\x93NUMPY", "a NumPy array (.npy), which has no names for its numbers", _CONVERT),
    (b"GGUF", "a GGUF file for language models", GIVE_PYTORCH),
    (b"lmgg", "a GGML file for language models", GIVE_PYTORCH),
    (b"tjgg", "a GGML file for language models", GIVE_PYTORCH),
    (b"\x1f\x8b", "compressed with gzip", ""),
    (b"BZh", "compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ\x00", "compressed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", _UNPACK),
    (b"\x04\x22\x4d\x18", "compressed with lz4", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\x04\x00\x00\x00\x01\x00\x00\x00\x03\x00\x00\x00V ", "a Torch 7 file of Lua", _CONVERT),
    (b"\x00\x00\x00\x00\x02\x00\x00\x00\x05\x00\x00\x00", "a Darknet weights file", GIVE_PYTORCH),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file", _CONVERT),
    (b"SQLite format 3\x00", "a SQLite database", CHOOSE_WEIGHTS),
    (b"\x7fELF", "a program", CHOOSE_WEIGHTS),
    (b"MZ", "a program", CHOOSE_WEIGHTS),
    (b"%PDF-", "a PDF document", CHOOSE_WEIGHTS),
    (b"\x89PNG\r\n\x1a\n", "an image", CHOOSE_WEIGHTS),
    (b"\xff\xd8\xff", "an image", CHOOSE_WEIGHTS),
    (b"GIF8", "an image", CHOOSE_WEIGHTS),
    (b"RIFF", "an image, a sound or a film", CHOOSE_WEIGHTS),
]


@dataclass(frozen=True)
class Kind:
    """What a file is."""

    name: str
    """``safetensors``, ``torch_zip``, ``torch_legacy`` or ``pickle``, which are read; else ``other``."""
    sentence: str = ""
    """Says what another file is, and what to do; begins after the file's name."""
    entry: str = ""
    """Path of ``data.pkl`` in a zipped checkpoint."""


def kind_of(path: Path) -> Kind:
    """Returns what a file is.

    Args:
        path: A regular file that can be read.
    """
    size = path.stat().st_size
    if size == 0:
        return _other(f"is empty. {AGAIN}")
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _zip(path, head)
    if begins_legacy(head):
        return Kind("torch_legacy")
    if _is_safetensors(head):
        return Kind("safetensors")
    for magic, what, todo in _MAGIC:
        if head.startswith(magic):
            return _other(f"is {what}. {todo}" if todo else _gzip(head))
    if sentence := _tail_or_middle(path, head, size) or protobuf_kind(head):
        return _other(sentence)
    if _looks_like_pickle(head):
        return Kind("pickle")
    return _other(_text(head) or _bytes(path, head, size))


def is_web_page(path: Path) -> bool:
    """Whether a file is HTML, which servers send in place of a file to report an error."""
    with path.open("rb") as file:
        return _page(file.read(512))


def _other(sentence: str) -> Kind:
    return Kind("other", sentence)


def _page(head: bytes) -> bool:
    return (
        head.lstrip(b"\xef\xbb\xbf \t\r\n")
        .lower()
        .startswith((b"<!doctype html", b"<html", b"<head", b"<!--"))
    )


def _zip(path: Path, head: bytes) -> Kind:
    names = zip_names(path)
    if names is None:
        return _other(cut_off_zip(head))
    entry, sentence = zip_kind(path, names)
    return Kind("torch_zip", entry=entry) if entry else _other(sentence)


def _is_safetensors(head: bytes) -> bool:
    """A header's length in 8 bytes, then the header, a JSON object; a file may end anywhere after its first 9 bytes."""
    length = int.from_bytes(head[:8], "little")
    return (
        len(head) > 8 and 2 <= length <= MAX_SAFETENSORS_HEADER and head[8:9] == b"{" and head[9:10] in b'"} '
    )


def _gzip(head: bytes) -> str:
    try:
        inside = zlib.decompressobj(31).decompress(head, 1024)
    except zlib.error:
        inside = b""
    what = "a tar archive" if inside[257:262] == b"ustar" else "a file"
    return f"is {what} that was compressed with gzip. {_UNPACK}"


def _tail_or_middle(path: Path, head: bytes, size: int) -> str:
    """Kinds whose mark is not at the start."""
    if head[257:262] == b"ustar":
        if head[:100].rstrip(b"\0") in (b"./", b"sys_info", b"pickle", b"storages", b"tensors"):
            return "is a checkpoint of PyTorch before 0.2, a tar archive. Load it with PyTorch 1.x and save it again."
        return f"is a tar archive. {_UNPACK}"
    if head[4:8] == b"TFL3":
        return f"is a TensorFlow Lite model. {GIVE_PYTORCH}"
    if head[4:8] == b"ftyp":
        return f"is an image or a film. {CHOOSE_WEIGHTS}"
    with path.open("rb") as file:
        file.seek(max(0, size - 8))
        if file.read(8) == b"\x57\xfb\x80\x8b\x24\x75\x47\xdb":
            return f"is the index of a TensorFlow checkpoint. {_CONVERT}"
    return ""


_OLD_PICKLE = re.compile(rb"\([dlt]p\d+\n|c[\w.]+\n[\w.]+\n|\(i[\w.]+\n|[}\])]q[\x00-\xff]|\([dlt]\.")
"""First instructions of pickles of protocol 0 and 1, which have no mark."""


def _looks_like_pickle(head: bytes) -> bool:
    has_mark = head[:1] == b"\x80" and head[1:2] in b"\x00\x01\x02\x03\x04\x05"
    return has_mark or _OLD_PICKLE.match(head) is not None


def _text(head: bytes) -> str:
    if _page(head):
        return "is a web page, not weights: the server sent a message. Try the download later."
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # the head may end inside a character
            return ""
        text = head[: error.start].decode("utf-8-sig")
    if any(ord(c) < 32 and c not in "\t\r\n\f" for c in text):
        return ""
    start = text.lstrip()
    if start.startswith("<"):
        return "is XML, such as a server's error message or a description of a network, not weights. Look into it."
    if start.startswith(("{", "[")):
        if '"weight_map"' in text:
            return "is the index of weights in several files. Join them into one: safetensors.torch.save_file(all, path)."
        return "is JSON, such as a configuration or a server's error message, not weights. Look into it."
    return "is text, not weights. Look into it: it may be a message of the server that it came from."


def _bytes(path: Path, head: bytes, size: int) -> str:
    if not head.strip(b"\0"):
        with path.open("rb") as file:
            if all(not chunk.strip(b"\0") for chunk in iter(lambda: file.read(1 << 20), b"")):
                return "holds only zero bytes, as a download that was not finished. Download it again."
    if size <= 9:
        return f"has only {size} bytes. {AGAIN}"
    return (
        "is no weights file that SGE Lens knows, or its beginning is damaged. Give "
        "safetensors or a checkpoint that torch.save wrote."
    )
