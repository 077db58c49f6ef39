"""Weights files: read without running code, recognised by their keys, checked, written atomically."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from sge.errors import CheckpointError

State = dict[str, Tensor]
METADATA = ("sge.arch", "sge.labels", "sge.preprocess", "sge.card")

# A researcher's "best_acc" is often a numpy number; rebuilding one runs nothing.
_HARMLESS = [
    (np._core.multiarray.scalar, "numpy.core.multiarray.scalar"),  # type: ignore[attr-defined]
    np._core.multiarray.scalar,  # type: ignore[attr-defined]
    np.dtype,
    np.dtypes.Float64DType,
    np.dtypes.Float32DType,
    np.dtypes.Int64DType,
]

_RESNETS = {
    (False, (2, 2, 2, 2), 64, 64): "sge_resnet18",
    (False, (3, 4, 6, 3), 64, 64): "sge_resnet34",
    (True, (3, 4, 6, 3), 64, 64): "sge_resnet50",
    (True, (3, 4, 23, 3), 64, 64): "sge_resnet101",
    (True, (3, 8, 36, 3), 64, 64): "sge_resnet152",
    (True, (3, 4, 6, 3), 128, 4): "sge_resnext50_32x4d",
    (True, (3, 4, 23, 3), 256, 8): "sge_resnext101_32x8d",
}
"""(bottleneck, blocks a stage, output and input channels of layer1.0.conv2) to architecture."""


@dataclass(frozen=True)
class Weights:
    """What a file holds."""

    state: State
    metadata: dict[str, Any]
    """``sge.*`` entries of a file of ours, parsed; empty for a checkpoint."""
    sha256: str
    path: Path


@dataclass(frozen=True)
class Layout:
    """What a state dict's keys and shapes say about its network."""

    arch: str
    num_classes: int
    groups: int


def sha256_of(path: Path) -> str:
    """Hash of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_weights(path: str | os.PathLike[str]) -> Weights:
    """Reads a ``.safetensors`` or a torch checkpoint (``.pth.tar``, ``.pth``, ``.pt``); runs nothing in it.

    A checkpoint may be the state dict itself or hold it under ``state_dict``; DataParallel's ``module.`` is
    taken off.

    Raises:
        CheckpointError: no such file, cut off, not weights, or a pickle that wants to run code.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no weights file {path}. Check the path.")
    if path.suffix == ".safetensors":
        state, metadata = _read_safetensors(path)
    else:
        state, metadata = _state_of(_read_torch(path), path), {}
    return Weights(state, metadata, sha256_of(path), path)


def _read_safetensors(path: Path) -> tuple[State, dict[str, Any]]:
    try:
        with safe_open(path, "pt") as file:
            raw = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return state, {key: json.loads(raw[key]) for key in METADATA if key in raw}
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(
            f"{path.name} is cut off or not a safetensors file ({error}). Import or download it again."
        ) from error


def _read_torch(path: Path) -> object:
    try:
        with torch.serialization.safe_globals(_HARMLESS):  # type: ignore[arg-type]
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if found := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise CheckpointError(
                f"{path.name} wants to run code while it loads ({found[1]}) and was not opened. Use a file that "
                "holds tensors only: torch.save(network.state_dict(), path)."
            ) from None
        raise CheckpointError(_damaged(path)) from error
    except (
        Exception
    ) as error:  # torch raises RuntimeError, EOFError, KeyError, ValueError, by the byte that is bad
        raise CheckpointError(_damaged(path)) from error


def _damaged(path: Path) -> str:
    head = path.open("rb").read(512).lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return (
            f"{path.name} is a web page, not weights: the download was answered with a message. Try it later."
        )
    return f"{path.name} is cut off, damaged or not a torch checkpoint. Download or save it again."


def _state_of(loaded: object, path: Path) -> State:
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not loaded or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise CheckpointError(
            f"{path.name} holds no state dict: neither tensors by name nor an entry 'state_dict' with them."
        )
    state = {str(key): value for key, value in loaded.items()}
    if all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    return state


def recognise(state: State) -> Layout:
    """Architecture, classes and groups from keys and shapes.

    Raises:
        CheckpointError: not one of our networks; the sentence says what it looks like.
    """
    try:
        if "layer1.0.conv1.weight" in state:
            return _recognise_resnet(state)
        if "blocks.1.0.se.weight" in state and "conv_stem.weight" in state:
            groups = max(t.shape[1] for key, t in state.items() if key.endswith(".se.weight"))
            return Layout("sge_efficientnet_lite0", state["classifier.weight"].shape[0], groups)
    except (KeyError, IndexError) as error:
        raise CheckpointError(
            f"The weights look like a network of ours, but {error} is missing or has no shape. Is the file whole?"
        ) from error
    raise CheckpointError(
        "The weights are of no architecture that is known here "
        f"(first keys: {', '.join(list(state)[:3])}). Known: SGE-ResNets and sge_efficientnet_lite0."
    )


def _recognise_resnet(state: State) -> Layout:
    if "layer1.0.sge.weight" not in state:
        raise CheckpointError(
            "This is a ResNet without SGE. Load it with torchvision and give it SGE with sge.insert_sge(network)."
        )
    counts = [
        {int(m[1]) for key in state if (m := re.match(rf"layer{s}\.(\d+)\.", key))} for s in (1, 2, 3, 4)
    ]
    blocks = tuple(len(numbers) for numbers in counts)
    conv2 = state["layer1.0.conv2.weight"].shape
    kind = ("layer1.0.conv3.weight" in state, blocks, conv2[0], conv2[1])
    if kind not in _RESNETS:
        raise CheckpointError(
            f"An SGE-ResNet of a depth or width that is not known here: {blocks} blocks a stage, "
            f"{'bottleneck' if kind[0] else 'basic'}, {conv2[0]} channels in layer1. Known: {', '.join(_RESNETS.values())}."
        )
    return Layout(_RESNETS[kind], state["fc.weight"].shape[0], state["layer1.0.sge.weight"].shape[1])


def fit(network: nn.Module, state: State, arch: str) -> None:
    """Loads a state dict whole.

    Raises:
        CheckpointError: missing, unexpected or misshapen keys, each in its own sentence.
    """
    wanted = network.state_dict()
    # Checkpoints older than PyTorch 0.4.1 count no batches; nothing that evaluates reads the count.
    state = {key: value for key, value in wanted.items() if key.endswith("num_batches_tracked")} | state
    problems = []
    if missing := [key for key in wanted if key not in state]:
        problems.append(f"{len(missing)} keys are missing ({_some(missing)}).")
    if unexpected := [key for key in state if key not in wanted]:
        problems.append(f"{len(unexpected)} keys are unexpected ({_some(unexpected)}).")
    misshapen = [
        f"{key}: {tuple(state[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    if misshapen:
        problems.append(f"{len(misshapen)} tensors have another shape ({_some(misshapen)}).")
    if problems:
        raise CheckpointError(
            f"The weights do not fit {arch}. {' '.join(problems)} Choose the file of this network."
        )
    network.load_state_dict(state)


def _some(items: list[str]) -> str:
    return ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")


def write_weights(path: Path, state: State, metadata: dict[str, Any]) -> None:
    """Writes a ``.safetensors`` with ``sge.*`` metadata; the file appears whole or not at all."""
    contiguous = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    write_atomically(
        path, to_safetensors(contiguous, {key: json.dumps(value) for key, value in metadata.items()})
    )


def write_atomically(path: Path, data: bytes) -> None:
    """Temporary file beside the target, synced, renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
