"""Weights files: read without running code, checked, and written atomically."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from sge.errors import CheckpointError
from sge.files import sha256_of, write_atomically
from sge.models.architectures import State, first_few

DIGEST = "sge.sha256"
"""Metadata entry of every file that ``write_weights`` writes: the ``digest`` of everything else in it."""

# "best_acc" in a researcher's checkpoint is often a NumPy number. Rebuilding one runs no code of the file.
# NumPy 2 moved the function that does it.
_scalar: Any = np.float64(0).__reduce__()[0]
_HARMLESS: list[Any] = [
    (_scalar, "numpy.core.multiarray.scalar"),
    (_scalar, "numpy._core.multiarray.scalar"),
    np.dtype,
    np.dtypes.Float64DType,
    np.dtypes.Float32DType,
    np.dtypes.Int64DType,
]

_AGAIN = "Download, import or save it again."


@dataclass(frozen=True)
class Weights:
    """The content of a weights file."""

    state: State
    metadata: dict[str, Any]
    """The parsed ``sge.*`` entries of a ``.safetensors`` file; empty for a torch checkpoint."""
    sha256: str
    path: Path
    digest: str | None
    """The digest that the file states, after it was compared with the content. None if the file states none."""


def digest(state: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> str:
    """Returns the sha256 of a file's meaning: metadata, names, dtypes, shapes and numbers, in any order on disk."""
    ours = {key: value for key, value in metadata.items() if key.startswith("sge.")}
    content = hashlib.sha256(json.dumps(ours, sort_keys=True).encode())
    for key in sorted(state):
        tensor = state[key].detach().cpu().contiguous()
        content.update(f"\n{key} {tensor.dtype} {list(tensor.shape)}\n".encode())
        content.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return content.hexdigest()


def read_weights(path: str | os.PathLike[str]) -> Weights:
    """Reads a ``.safetensors`` file or a torch checkpoint (``.pth.tar``, ``.pth``, ``.pt``) without running its code.

    A checkpoint is a state dict or holds one under ``state_dict``. The prefix ``module.`` of DataParallel is
    removed. Checksums in the file (the digest, or those of a zipped checkpoint) are compared with the content.

    Raises:
        CheckpointError: The file does not exist, is cut off or damaged, holds no weights, or is a pickle that
            would run code.
    """
    path = Path(path)
    if not os.path.isfile(path):  # unlike Path.is_file, isfile does not raise on an over-long name
        raise CheckpointError(f"There is no weights file {path}. Check the path.")
    try:
        sha256 = sha256_of(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}). Check its permissions.") from error
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path.name} is empty. {_AGAIN}")
    state, metadata = (
        _read_safetensors(path) if path.suffix == ".safetensors" else (_state_of(_read_torch(path), path), {})
    )
    carried = metadata.pop(DIGEST, None)
    if carried is not None and carried != digest(state, metadata):
        raise CheckpointError(f"{path.name} is damaged: its content is not what was written. {_AGAIN}")
    if all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    return Weights(state, metadata, sha256, path, carried)


def _read_safetensors(path: Path) -> tuple[State, dict[str, Any]]:
    try:
        with safe_open(path, "pt") as file:
            raw = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.offset_keys()}
        return state, {key: json.loads(raw[key]) for key in raw if key.startswith("sge.")}
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path.name} is cut off or no safetensors file ({error}). {_AGAIN}") from error


def _read_torch(path: Path) -> object:
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
        damaged = _bad_checksum(path)
    except pickle.UnpicklingError as error:
        if found := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise CheckpointError(
                f"{path.name} wants to run code while it loads ({found[1]}) and was not opened. Use a file that "
                "holds tensors only: torch.save(network.state_dict(), path)."
            ) from None
        raise CheckpointError(_not_torch(path)) from error
    except Exception as error:  # RuntimeError, EOFError, OSError, KeyError, ...: by the byte that is bad
        raise CheckpointError(_not_torch(path)) from error
    if damaged:
        raise CheckpointError(f"{path.name} is damaged: the checksum of {damaged} in it is wrong. {_AGAIN}")
    return loaded


def _bad_checksum(path: Path) -> str | None:
    """Returns the first entry of a zipped checkpoint with a wrong checksum; torch does not compare them."""
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        # torch has an option to write no checksums; all of them are 0 then.
        return archive.testzip() if any(entry.CRC for entry in archive.infolist()) else None


def is_web_page(path: Path) -> bool:
    """Whether a file is HTML, which servers send in place of a file to report an error."""
    with path.open("rb") as file:
        return file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html"))


def _not_torch(path: Path) -> str:
    if is_web_page(path):
        return f"{path.name} is a web page, not weights: the server sent a message. Try the download later."
    return f"{path.name} is cut off, damaged or not a torch checkpoint. {_AGAIN}"


def _state_of(loaded: object, path: Path) -> State:
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not loaded or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise CheckpointError(
            f"{path.name} holds no state dict: neither tensors by name nor an entry 'state_dict' with them. "
            "Save one with torch.save(network.state_dict(), path)."
        )
    state = {str(key): value for key, value in loaded.items()}
    if odd := [key for key, value in state.items() if not _is_plain(value)]:
        raise CheckpointError(
            f"{path.name} holds tensors that are not plain numbers: {first_few(odd)}. {_AGAIN}"
        )
    return state


def _is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is dense and real, and its storage holds all of its numbers; a view may claim more."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.is_meta:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def load_state(network: nn.Module, state: State, arch: str) -> None:
    """Loads a state dict completely or not at all.

    Args:
        network: Changed in place.
        state: An entry for each of the network's, of the same shape. Half precision is converted.
        arch: Name of the architecture, for the error message.

    Raises:
        CheckpointError: Keys are missing, unexpected or of another shape, or numbers are not finite; each fault
            has its own sentence. The network is unchanged.
    """
    wanted = network.state_dict()
    # Checkpoints from before PyTorch 0.4.1 have no batch counters. Inference does not read them.
    state = {key: value for key, value in wanted.items() if key.endswith("num_batches_tracked")} | state
    faults = {
        "missing": [key for key in wanted if key not in state],
        "unexpected": [key for key in state if key not in wanted],
        "of another shape": [
            f"{key}: {tuple(state[key].shape)} instead of {tuple(wanted[key].shape)}"
            for key in wanted
            if key in state and state[key].shape != wanted[key].shape
        ],
        "NaN or infinite": [key for key, value in state.items() if not value.float().isfinite().all()],
    }
    problems = [
        f"{'1 key is' if len(keys) == 1 else f'{len(keys)} keys are'} {fault} ({first_few(keys)})."
        for fault, keys in faults.items()
        if keys
    ]
    if problems:
        raise CheckpointError(
            f"The weights do not fit {arch}. {' '.join(problems)} Choose the file of this network."
        )
    network.load_state_dict(state)


def write_weights(path: Path, state: State, metadata: dict[str, Any]) -> None:
    """Writes a ``.safetensors`` file with ``sge.*`` metadata and a digest of its content, atomically.

    Args:
        path: The file; folders are made as needed.
        state: Names to tensors.
        metadata: Names that begin with ``sge.`` to values that JSON can hold.

    Raises:
        CheckpointError: The folder cannot be written to, or the disk is full.
    """
    contiguous = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    stamped = metadata | {DIGEST: digest(contiguous, metadata)}
    try:
        write_atomically(path, to_safetensors(contiguous, {k: json.dumps(v) for k, v in stamped.items()}))
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written ({error.strerror}). Free some space, or name another folder in SGE_MODEL_DIR."
        ) from error
