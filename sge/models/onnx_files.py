"""Reads exported files: what they state is checked, and nothing in them runs. Needs ``onnx`` and no torch.

The file ends with a metadata entry ``sge.sha256``, the hash of all bytes before it. Other tools that write the file again
leave the entry in the middle or out; such a file is read, but has no checksum.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sge.errors import CheckpointError, ChoiceError, FinderError, MissingPackageError
from sge.models.cards import read_card
from sge.models.exported_facts import (
    blocks_of,
    checked,
    detectors_of,
    number_of,
    optional_text,
    record_of,
    results_of,
    sides,
    text_of,
)
from sge.models.exported_model import LOGITS, ExportedModel
from sge.models.on_disk import check_is_file
from sge.models.safetensors_files import parse_json
from sge.models.stated import checked_labels, made_preprocess
from sge.models.wording import AGAIN, shown
from sge.parts import Finder

if TYPE_CHECKING:
    import onnx

VERSION = "1"
DIGEST = "sge.sha256"
"""Last metadata entry of a file: the hash of all bytes before it."""
MAX_BYTES = 2**31 - 1
"""Largest size of an ONNX file without a second one for its weights."""
_ENTRIES = (
    *(
        "name",
        "arch",
        "labels",
        "preprocess",
        "card",
        "finder",
        "permutations",
        "blocks",
        "classes",
        "parameters",
    ),
    *("source_sha256", "multiple", "check"),
)
_DEFAULTS = {"results": [LOGITS], "size": None, "adapter": "auto", "rows": None, "detectors": []}
"""Entries that older files do not have."""


def tail(digest: str) -> bytes:
    """The last bytes of a file, which are the metadata entry with its checksum.

    Args:
        digest: 64 hexadecimal digits.
    """
    entry = (
        b"\x0a" + bytes([len(DIGEST)]) + DIGEST.encode() + b"\x12" + bytes([len(digest)]) + digest.encode()
    )
    return b"\x72" + bytes([len(entry)]) + entry  # field 14 of ModelProto: an entry with key and value


def checksum(content: bytes) -> str | None:
    """The checksum that a file states, after it was compared with its content; None if it ends without one.

    Raises:
        ValueError: The content is not what was written.
    """
    size = len(tail("0" * 64))
    stated = content[-64:].decode("latin-1")
    if content[-size:] != tail(stated):
        return None
    if hashlib.sha256(content[:-size]).hexdigest() != stated:
        raise ValueError(stated)
    return stated


def stated_checksum(path: Path) -> str | None:
    """The checksum that a file states; None if it ends without one. The file was read before, and is whole."""
    return checksum(path.read_bytes())


def is_exported(path: Path) -> bool:
    """Whether a file ends as ``export_onnx`` writes it."""
    if not os.path.isfile(path):  # Opening a pipe would wait for its other end.
        return False
    size = len(tail("0" * 64))
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - size))
            end = file.read()
    except OSError:
        return False
    return end == tail(end[-64:].decode("latin-1"))


def is_stated(path: Path) -> bool:
    """Whether an ONNX file states, in its metadata, that it is an exported file.

    Raises:
        CheckpointError, MissingPackageError: As ``read_exported``.
    """
    return any(entry.key == "sge.version" for entry in parsed_onnx(path).metadata_props)


def read_exported(path: Path, name: str | None = None) -> ExportedModel:
    """Reads the facts of an exported file and checks its graph.

    Args:
        path: The file.
        name: The model's name; by default the one in the file.

    Raises:
        CheckpointError: The file does not exist, is damaged, was not made by ``export_onnx``, or states what cannot be.
        MissingPackageError: The package ``onnx`` is not installed.
    """
    proto = parsed_onnx(path)
    where = shown(path.name)
    facts = _facts(proto, where)
    try:
        card = read_card(facts["card"], sha256=optional_text(facts["source_sha256"], "source_sha256"))
        finder = (
            None if facts["finder"] is None else Finder.from_record(facts["finder"], f"The finder of {where}")
        )
        classes = number_of(facts["classes"], "classes")
        results, size = results_of(facts["results"], classes), sides(facts["size"], "size")
        model = ExportedModel(
            name or text_of(facts["name"], "name"),
            _labels(facts["labels"], classes, where),
            card,
            replace(made_preprocess(facts["preprocess"], where), fixed=size),
            text_of(facts["arch"], "arch"),
            text_of(facts["permutations"], "permutations"),
            finder,
            path,
            blocks_of(facts["blocks"]),
            classes,
            number_of(facts["parameters"], "parameters"),
            checked(facts["multiple"], lambda v: v in (1, 32), "multiple"),
            record_of(facts["check"], "check"),
            results,
            size,
            optional_text(facts["adapter"], "adapter"),
            checked(facts["rows"], lambda v: v in (None, 1) and v is not True, "rows"),
            detectors_of(facts["detectors"], finder),
        )
        if finder is not None:
            finder.check_permutation(model.permutations)
            finder.check({block.name: block.groups for block in model.blocks}, model.channels)
    except (ChoiceError, FinderError, ValueError) as error:
        raise CheckpointError(f"{where}: {error}") from error
    from sge.models.onnx_checks import check_graph

    check_graph(proto, model, where)
    return model


def parsed_onnx(path: Path) -> onnx.ModelProto:
    """Reads a file as a protocol buffer, whose content is not checked.

    Raises:
        CheckpointError: There is no file, or it is damaged or larger than ``MAX_BYTES``.
        MissingPackageError: The package ``onnx`` is not installed.
    """
    check_is_file(path)
    try:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingPackageError(
            f"{shown(path.name)} is an ONNX file, and the package onnx is not installed. Install it: "
            "pip install 'sge-lens[onnx]'."
        ) from error
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CheckpointError(
                f"{shown(path.name)} has more than 2 GiB, which no exported file has. {AGAIN}"
            )
        content = path.read_bytes()
        checksum(content)
        proto: onnx.ModelProto = onnx.ModelProto.FromString(content)
        return proto
    except (ValueError, DecodeError, RecursionError) as error:
        raise CheckpointError(f"{shown(path.name)} is damaged or cut off. {AGAIN}") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}). Check its permissions.") from error


def _facts(proto: onnx.ModelProto, where: str) -> dict[str, Any]:
    texts = {entry.key: entry.value for entry in proto.metadata_props}
    if not all(isinstance(text, str) for pair in texts.items() for text in pair):  # bytes that are no UTF-8
        raise CheckpointError(f"{where} is damaged: an entry is no text. {AGAIN}")
    if "sge.version" not in texts:
        raise CheckpointError(
            f"{where} is an ONNX file that SGE Lens did not export, so its maps are not known. Import it and name them: sge "
            f"models import {where} --maps NAME=OUTPUT. Without OUTPUT, the outputs that could be maps are listed."
        )
    if (version := parse_json(texts["sge.version"], f"{where}, sge.version")) != VERSION:
        raise CheckpointError(
            f"{where} has version {shown(str(version))} of exported files; known is {VERSION}. Install a newer SGE Lens, or "
            "export the model again."
        )
    if missing := [key for key in _ENTRIES if f"sge.{key}" not in texts]:
        raise CheckpointError(f"{where} lacks the entry sge.{missing[0]}. Export the model again.")
    stated = {key: f"sge.{key}" for key in (*_ENTRIES, *_DEFAULTS) if f"sge.{key}" in texts}
    return _DEFAULTS | {key: parse_json(texts[entry], f"{where}, {entry}") for key, entry in stated.items()}


def _labels(value: object, classes: int, where: str) -> list[str] | None:
    """Labels of the classes; a file without logits may have labels of what its other outputs tell."""
    if value is None:
        return None
    return checked_labels(value, len(value) if isinstance(value, list) and not classes else classes, where)
