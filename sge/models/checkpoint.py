"""Weights files: read without running code, checked, and written atomically."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from sge.errors import CheckpointError
from sge.files import sha256_of, write_atomically
from sge.models.architectures import State
from sge.models.candidates import ANCHORS
from sge.models.contents import choose
from sge.models.file_kinds import kind_of
from sge.models.on_disk import check_is_file
from sge.models.refusals import bare_pickle, foreign_objects
from sge.models.safetensors_files import read_safetensors
from sge.models.stated_labels import labels_in
from sge.models.torch_files import TorchFile, read_legacy, read_zip
from sge.models.wording import AGAIN, counted, first_few

DIGEST = "sge.sha256"
"""Metadata entry of every file that ``write_weights`` writes: the ``digest`` of everything else in it."""


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
    notes: tuple[str, ...] = ()
    """Sentences on what was taken out of the file, and what was not."""
    labels: dict[str, list[str]] = field(default_factory=dict)
    """Lists of class names beside the weights of a torch checkpoint, by where they are in it."""


def digest(state: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> str:
    """Returns the sha256 of a file's meaning: metadata, names, dtypes, shapes and numbers, in any order on disk."""
    ours = {key: value for key, value in metadata.items() if key.startswith("sge.")}
    content = hashlib.sha256(json.dumps(ours, sort_keys=True).encode())
    for key in sorted(state):
        tensor = state[key].detach().cpu().contiguous()
        content.update(f"\n{key} {tensor.dtype} {list(tensor.shape)}\n".encode())
        content.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return content.hexdigest()


def read_weights(
    path: str | os.PathLike[str], weights_key: str | None = None, anchors: Sequence[str] = ANCHORS
) -> Weights:
    """Reads a safetensors file or a torch checkpoint, whatever its name, without running its code.

    Containers such as ``state_dict`` and prefixes such as ``module.`` are seen through; ``Weights.notes`` says what
    was taken. Checksums in the file (the digest, or those of a zipped checkpoint) are compared with the content.

    Args:
        path: The file.
        weights_key: Which weights to take of a file that holds several: ``plain``, ``ema``, or a name such as
            ``model_ema``. By default the plain ones, or the average if there are no others.
        anchors: Names of which the network has one, by which it is found in the file; by default those of the known
            architectures.

    Raises:
        CheckpointError: The file does not exist, is cut off or damaged, is of another kind, holds no weights or not
            those of that name, or holds objects that are rebuilt by code.
    """
    path = Path(path)
    check_is_file(path)
    try:
        sha256 = sha256_of(path)
        kind = kind_of(path)
        if kind.name == "safetensors":
            return _of_safetensors(path, sha256, weights_key, anchors)
        if kind.name == "torch_zip":
            return _of_torch(read_zip(path, kind.entry), sha256, weights_key, anchors)
        if kind.name == "torch_legacy":
            return _of_torch(read_legacy(path), sha256, weights_key, anchors)
    except OSError as error:
        if error.errno in (None, errno.EINVAL):  # a position in the file that cannot be
            raise CheckpointError(f"{path.name} is damaged. {AGAIN}") from error
        raise CheckpointError(f"{path} cannot be read ({error.strerror}). Check its permissions.") from error
    if kind.name == "pickle":
        raise bare_pickle(path)
    raise CheckpointError(f"{path.name} {kind.sentence}")


def _of_safetensors(path: Path, sha256: str, weights_key: str | None, anchors: Sequence[str]) -> Weights:
    state, metadata = read_safetensors(path)
    carried = metadata.pop(DIGEST, None)
    if carried is not None:
        if carried != digest(state, metadata):
            raise CheckpointError(f"{path.name} is damaged: its content is not what was written. {AGAIN}")
        if weights_key not in (None, "plain"):
            raise CheckpointError(
                f"{path.name} holds one network's weights. Leave the choice {weights_key!r} out."
            )
        return Weights(state, metadata, sha256, path, carried)
    chosen = choose(state, path.name, weights_key, anchors)
    if odd := [key for key, tensor in chosen.entries.items() if tensor.is_complex()]:
        raise CheckpointError(
            f"{path.name} holds tensors that are not plain numbers: {first_few(odd)}. {AGAIN}"
        )
    return Weights(chosen.entries, metadata, sha256, path, None, chosen.notes)


def _of_torch(file: TorchFile, sha256: str, weights_key: str | None, anchors: Sequence[str]) -> Weights:
    structure = file.structure
    if structure.foreign:
        raise foreign_objects(file.path, structure)
    chosen = choose(structure.root, file.path.name, weights_key, anchors)
    state = {key: file.tensor(key, ref) for key, ref in chosen.entries.items()}
    return Weights(state, {}, sha256, file.path, None, chosen.notes, labels_in(structure.root))


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
    counters = {key: value for key, value in wanted.items() if key.endswith("num_batches_tracked")}
    check_shapes(wanted, counters | state, arch)
    faults = {
        "NaN or infinite": [key for key, value in state.items() if not value.float().isfinite().all()],
        "negative, though it is a variance": [
            key
            for key, value in state.items()
            if key.endswith("running_var") and bool((value.float() < 0).any())
        ],
    }
    _raise_faults(faults, arch)
    whole = OrderedDict(counters | state)
    # Some modules, such as torchvision's MNASNet, ask for the version of their entries, which a file may not state.
    whole._metadata = getattr(wanted, "_metadata", {})  # type: ignore[attr-defined]
    network.load_state_dict(whole)


def check_shapes(wanted: State, state: State, arch: str) -> None:
    """Compares names, shapes and kinds of numbers of a state dict with those of a network.

    Args:
        wanted: The network's; only names, shapes and dtypes are read, so it may be on the device ``meta``.
        state: The file's.
        arch: Name of the architecture, for the error message.

    Raises:
        CheckpointError: Keys are missing, unexpected, of another shape, or whole numbers in place of real ones.
    """
    faults = {
        "missing": [key for key in wanted if key not in state],
        "unexpected": [key for key in state if key not in wanted],
        "of another shape": [
            f"{key}: {tuple(state[key].shape)} instead of {tuple(wanted[key].shape)}"
            for key in wanted
            if key in state and state[key].shape != wanted[key].shape
        ],
        "of whole numbers in place of real ones, as in a quantized network": [
            key
            for key in wanted
            if key in state and wanted[key].is_floating_point() and not state[key].is_floating_point()
        ],
    }
    _raise_faults(faults, arch)


def _raise_faults(faults: dict[str, list[str]], arch: str) -> None:
    problems = [
        f"{counted(len(keys), 'key')} {fault} ({first_few(keys)})." for fault, keys in faults.items() if keys
    ]
    if problems:
        raise CheckpointError(
            f"The weights do not fit {arch}. {' '.join(problems)} Choose the file of this network."
        )


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
