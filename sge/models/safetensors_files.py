"""Reads safetensors files: header checked first, so that what is wrong with a file is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from safetensors import SafetensorError, safe_open

from sge.errors import CheckpointError
from sge.models.wording import AGAIN, quoted

if TYPE_CHECKING:
    from torch import Tensor


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads all tensors and the parsed ``sge.*`` entries of the metadata.

    Args:
        path: A file that begins as safetensors.

    Raises:
        CheckpointError: The file is cut off or damaged, or an entry is no JSON.
    """
    _check_header(path)
    try:
        with safe_open(path, "pt") as file:
            raw = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.offset_keys()}
    except (SafetensorError, ValueError, RuntimeError, TypeError, KeyError, AttributeError, OSError) as error:
        raise CheckpointError(
            f"{path.name} is damaged, or holds numbers of a type that this version of PyTorch lacks. {AGAIN}"
        ) from error
    return state, {
        key: parse_json(text, f"{path.name}, entry {key}")
        for key, text in raw.items()
        if key.startswith("sge.")
    }


def _check_header(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length)
    if 8 + length > size:
        raise CheckpointError(
            f"{path.name} is cut off: its header has {length:,} bytes, the file {size:,}. {AGAIN}"
        )
    try:
        header = json.loads(text)
        ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
        end = max((int(end) for end in ends), default=0)
    except (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path.name} is damaged: its header cannot be read. {AGAIN}") from error
    if (whole := 8 + length + end) > size:
        raise CheckpointError(f"{path.name} is cut off: it has {size:,} of {whole:,} bytes. {AGAIN}")
    if whole < size:
        raise CheckpointError(f"{path.name} is damaged: {size - whole:,} bytes follow its end. {AGAIN}")


def is_own_file(path: Path) -> bool:
    """Whether a file holds weights, or a delta, that this project wrote."""
    try:
        with safe_open(path, "pt") as file:
            return "sge.arch" in (file.metadata() or {})
    except Exception:  # Not a file of this format; which error it raises depends on its bytes.
        return False


def parse_json(text: str, where: str) -> Any:
    """Parses JSON that a user or a file gives.

    Args:
        text: The JSON.
        where: What it is, for the sentence.

    Raises:
        CheckpointError: It is no JSON, is nested too deeply, or holds a number that is not finite.
    """

    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    try:
        value = json.loads(text, parse_constant=refuse)
        json.dumps(value, allow_nan=False)  # a number such as 1e999 is infinite too
        return value
    except (ValueError, RecursionError) as error:
        what = quoted(text if len(text) < 60 else text[:57] + "...")
        raise CheckpointError(f"{where}: {what} is no JSON with finite numbers. Correct it.") from error
