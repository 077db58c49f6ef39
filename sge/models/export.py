"""Writes a model as one ONNX file that ONNX Runtime runs without torch, and checks that it computes the same."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import threading
from pathlib import Path

import torch

from sge.errors import CheckpointError, ChoiceError, MissingPackageError, UnsupportedNetworkError
from sge.files import locked, write_atomically
from sge.images import MAX_SIZE
from sge.models.checkpoint import digest
from sge.models.export_content import exported_content, model_facts
from sge.models.exported_model import LOGITS, ExportedModel
from sge.models.model import Model
from sge.models.onnx_files import read_exported
from sge.nn import require_spatial_blocks
from sge.paths import model_dir

MAX_PARAMETERS = 500_000_000
"""A file of ONNX holds at most 2 GiB."""
REVISION = 7
"""Number of the graphs that this program writes; another one makes the files of ``exported_file`` again."""
FOLDER = "exported"
"""Folder for ``exported_file`` in that of the user's models."""
_LOCK = threading.Lock()
"""torch's exporter keeps its settings in global variables."""


def export_onnx(
    model: Model, path: str | os.PathLike[str], *, size: int | tuple[int, int] | None = None
) -> ExportedModel:
    """Writes a model as one ONNX file with all weights, labels, preprocessing, card and part finder in it.

    The file takes any number of images and any size that is a multiple of ``ExportedModel.multiple``, or the one size that
    is given. Its outputs are the logits, or what else the network returns, the similarity, mask and energy of each block,
    and the maps of the finder's detectors. What it computes is compared with PyTorch first; the measured differences are in
    ``ExportedModel.check``.

    Args:
        model: From ``load_model``, or ``Model`` with a network of your own that has SGE, CBAM or BAM in it.
        path: The file; folders are made as needed. It is replaced as a whole or not at all.
        size: Side, or height and width, of the only images that the file takes, in pixels: for networks that take no other,
            and for programs that want fixed sizes. None for the one that the preprocessing states, or any size.

    Returns:
        The exported model, as ``load_model(path)`` gives it.

    Raises:
        CaptureError: The network has no block with spatial maps.
        UnsupportedNetworkError: The network cannot be recorded, or what was recorded computes something else.
        ChoiceError: The model has not one label for each class, or a size is out of range.
        CheckpointError: The file cannot be written.
        MissingPackageError: ``onnx`` or ``onnxruntime`` is not installed.
    """
    if not isinstance(model, Model):
        raise ChoiceError(
            f"export_onnx takes a Model, and this is {type(model).__name__}. Load one with sge.load_model, or make one of a "
            "network: sge.Model('name', network, labels)."
        )
    _require_packages()
    require_spatial_blocks(model.network)
    if (parameters := model.parameters) > MAX_PARAMETERS:
        raise UnsupportedNetworkError(
            f"{model.name} has {parameters:,} parameters, more than one ONNX file holds ({MAX_PARAMETERS:,}). Use the model "
            "with PyTorch."
        )
    with _LOCK:
        content = exported_content(model, _checked_size(size) or model.preprocess.fixed)
    try:
        write_atomically(Path(path), content)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written ({error.strerror}). Free some space, or name another file."
        ) from error
    return read_exported(Path(path))


def exported_file(model: Model) -> ExportedModel:
    """The exported file of a model, made once and found again by the hash of the model's content.

    It lies in the folder ``exported`` of the user's models; in a temporary folder if that cannot be written.

    Args:
        model: As for ``export_onnx``.

    Raises:
        SGEError: As ``export_onnx``.
        UnsupportedNetworkError: The network gives no logits, so that its file does less than the network.
    """
    for path in _paths(model):
        try:
            with locked(path.with_suffix(".lock")):
                if path.is_file():
                    try:
                        return _with_logits(read_exported(path))
                    except CheckpointError:
                        pass  # It is damaged, and made again.
                return _with_logits(export_onnx(model, path))
        except (OSError, CheckpointError) as error:
            failed = error
    raise CheckpointError(
        f"{model.name} cannot be exported: neither {model_dir()} nor {tempfile.gettempdir()} can be written. Free "
        "some space, or name another folder in SGE_MODEL_DIR."
    ) from failed


def existing_export(model: Model) -> ExportedModel | None:
    """What ``exported_file`` gives if it is already made; None if it would have to be made."""
    for path in _paths(model):
        if path.is_file():
            try:
                return _with_logits(read_exported(path))
            except (CheckpointError, UnsupportedNetworkError):
                pass  # It is damaged, or does less than the network.
    return None


def _with_logits(exported: ExportedModel) -> ExportedModel:
    if LOGITS not in exported.results:
        raise UnsupportedNetworkError(
            f"{exported.name} gives no logits, and what else it gives is read with PyTorch only. Choose the backend torch. "
            "For the maps alone, export the model and load the file: sge.export_onnx(model, path)."
        )
    return exported


def _paths(model: Model) -> list[Path]:
    """Where an exported file may lie, the better place first."""
    name = f"{hashlib.sha256(model.name.encode()).hexdigest()[:8]}-{content_hash(model)[:24]}.onnx"
    temporary = Path(tempfile.gettempdir()) / f"sge-exported-{os.getuid()}"
    folders = [model_dir() / FOLDER, *([temporary] if _is_private(temporary) else [])]
    return [folder / name for folder in folders]


def _is_private(folder: Path) -> bool:
    """Whether nobody else can put a file there: other users may write the folder above, and know the file's name."""
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return True
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def content_hash(model: Model) -> str:
    """Hash of all that an exported file is made from: the format, the network's class and numbers, and the model's facts."""
    kind = f"{type(model.network).__module__}.{type(model.network).__qualname__}"
    facts = model_facts(model, [], 0) | {
        "sge.revision": REVISION,
        "sge.network": f"{kind} {torch.__version__}",
    }
    return digest(model.network.state_dict(), facts)


def _require_packages() -> None:
    for package in ("onnx", "onnxruntime"):
        try:
            __import__(package)
        except ImportError as error:
            raise MissingPackageError(
                f"Exporting needs the package {package}, which is not installed. Install it: pip install 'sge-lens[onnx]'."
            ) from error


def _checked_size(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """Height and width.

    Raises:
        ChoiceError: They are no numbers of pixels, or out of range.
    """
    if size is None:
        return None
    sides = tuple(size) if isinstance(size, tuple | list) else (size, size)
    if len(sides) != 2 or not all(type(side) is int and 1 <= side <= MAX_SIZE for side in sides):
        raise ChoiceError(f"size is {size!r}; give a side, or (height, width), of 1 to {MAX_SIZE} pixels.")
    return sides[0], sides[1]
