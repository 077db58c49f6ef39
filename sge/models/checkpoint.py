"""Weights files: read without running code, recognised by their keys, checked, written atomically."""

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
from sge.models.architectures import State, some

METADATA = ("sge.arch", "sge.parts.labels", "sge.preprocess", "sge.card")
DIGEST = "sge.sha256"
"""Metadata entry of every file that is written here: ``digest`` of the rest of it."""

# A researcher's "best_acc" is often a numpy number; rebuilding one runs nothing. numpy 2 moved the function.
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
    """What a file holds."""

    state: State
    metadata: dict[str, Any]
    """``sge.*`` entries of a file of ours, parsed; empty for a checkpoint."""
    sha256: str
    path: Path
    digest: str | None
    """The digest that the file carries and that its content has; None in a file that carries none."""


def digest(state: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> str:
    """Hash of all that a weights file says, however it lies on disk: metadata, names, types, shapes, numbers."""
    ours = {key: value for key, value in metadata.items() if key.startswith("sge.")}
    seen = hashlib.sha256(json.dumps(ours, sort_keys=True).encode())
    for key in sorted(state):
        tensor = state[key].detach().cpu().contiguous()
        seen.update(f"\n{key} {tensor.dtype} {list(tensor.shape)}\n".encode())
        seen.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return seen.hexdigest()


def read_weights(path: str | os.PathLike[str]) -> Weights:
    """Reads a ``.safetensors`` or a torch checkpoint (``.pth.tar``, ``.pth``, ``.pt``); runs nothing in it.

    A checkpoint may be the state dict itself or hold it under ``state_dict``; DataParallel's ``module.`` is
    taken off. Checksums inside (ours, or those of a zipped checkpoint) are compared.

    Raises:
        CheckpointError: no such file, cut off, damaged, not weights, or a pickle that wants to run code.
    """
    path = Path(path)
    if not os.path.isfile(path):  # unlike Path.is_file, it bears a name that is too long
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
    """The first entry of a zipped checkpoint whose checksum is wrong; torch itself does not look."""
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        # torch can be told to write no checksums; all of them are 0 then.
        return archive.testzip() if any(entry.CRC for entry in archive.infolist()) else None


def is_web_page(path: Path) -> bool:
    """Whether a file is HTML: what a server sends in place of a file when it has something to say."""
    with path.open("rb") as file:
        return file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html"))


def _not_torch(path: Path) -> str:
    if is_web_page(path):
        return f"{path.name} is a web page, not weights: the server answered with a message. Try the download later."
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
        raise CheckpointError(f"{path.name} holds tensors that are not plain numbers: {some(odd)}. {_AGAIN}")
    return state


def _is_plain(tensor: Tensor) -> bool:
    """Dense, real, and all of its numbers really in the file: a view may claim more memory than there is."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.is_meta:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def fit(network: nn.Module, state: State, arch: str) -> None:
    """Loads a state dict whole.

    Raises:
        CheckpointError: missing, unexpected or misshapen keys, or numbers that are not finite, each in its own
            sentence; the network is as it was then.
    """
    wanted = network.state_dict()
    # Checkpoints older than PyTorch 0.4.1 count no batches; nothing that evaluates reads the count.
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
        f"{'1 key is' if len(keys) == 1 else f'{len(keys)} keys are'} {fault} ({some(keys)})."
        for fault, keys in faults.items()
        if keys
    ]
    if problems:
        raise CheckpointError(
            f"The weights do not fit {arch}. {' '.join(problems)} Choose the file of this network."
        )
    network.load_state_dict(state)


def write_weights(path: Path, state: State, metadata: dict[str, Any]) -> None:
    """Writes a ``.safetensors`` with ``sge.*`` metadata and their digest; the file appears whole or not at all.

    Raises:
        CheckpointError: the folder cannot be written to, or the disk is full.
    """
    contiguous = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    stamped = metadata | {DIGEST: digest(contiguous, metadata)}
    try:
        write_atomically(path, to_safetensors(contiguous, {k: json.dumps(v) for k, v in stamped.items()}))
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written ({error.strerror}). Free some space, or name another folder in SGE_MODEL_DIR."
        ) from error
