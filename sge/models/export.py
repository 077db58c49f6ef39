"""Writes a model as one ONNX file that ONNX Runtime runs without torch, and checks that it computes the same."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sge.errors import CheckpointError, ChoiceError, MissingPackageError, SGEError, UnsupportedNetworkError
from sge.files import locked, write_atomically
from sge.models.checkpoint import digest
from sge.models.export_check import Comparison, in_single_precision, smooth_image
from sge.models.exported_model import ExportedBlock, ExportedModel, square_side
from sge.models.model import Model
from sge.models.onnx_files import VERSION, read_exported, tail
from sge.models.onnx_trial import MULTIPLE, Session
from sge.models.traced import Traced, trace
from sge.models.wording import shown
from sge.nn import ConvolutionalBlockAttention, SpatialGroupEnhance, inactive_groups, require_spatial_blocks
from sge.paths import model_dir

if TYPE_CHECKING:
    import onnx

MAX_PARAMETERS = 500_000_000
"""A file of ONNX holds at most 2 GiB."""
EXAMPLE = (2, 4 * MULTIPLE, 5 * MULTIPLE)
"""Rows, height and width of the image on which the network is recorded."""
REVISION = 4
"""Number of the graphs that this program writes; another one makes the files of ``exported_file`` again."""
FOLDER = "exported"
"""Folder for ``exported_file`` in that of the user's models."""
_LOCK = threading.Lock()
"""torch's exporter keeps its settings in global variables."""


def export_onnx(model: Model, path: str | os.PathLike[str]) -> ExportedModel:
    """Writes a model as one ONNX file with all weights, labels, preprocessing, card and part finder in it.

    The file takes any number of images and any size that is a multiple of ``ExportedModel.multiple``. Its outputs are the
    logits and the similarity, mask and energy of each block. What it computes is compared with PyTorch first; the measured
    differences are in ``ExportedModel.check``.

    Args:
        model: From ``load_model``, or ``Model`` with a network of your own that has SGE, CBAM or BAM in it.
        path: The file; folders are made as needed. It is replaced as a whole or not at all.

    Returns:
        The exported model, as ``load_model(path)`` gives it.

    Raises:
        CaptureError: The network has no block with spatial maps.
        UnsupportedNetworkError: The network cannot be recorded, or what was recorded computes something else.
        ChoiceError: The model has not one label for each class.
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
        content = _exported(model)
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
    """
    for path in _paths(model):
        try:
            with locked(path.with_suffix(".lock")):
                if path.is_file():
                    try:
                        return read_exported(path)
                    except CheckpointError:
                        pass  # It is damaged, and made again.
                return export_onnx(model, path)
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
                return read_exported(path)
            except CheckpointError:
                pass  # It is damaged.
    return None


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
    facts = _facts(model, [], 0) | {"sge.revision": REVISION, "sge.network": f"{kind} {torch.__version__}"}
    return digest(model.network.state_dict(), facts)


def _require_packages() -> None:
    for package in ("onnx", "onnxruntime"):
        try:
            __import__(package)
        except ImportError as error:
            raise MissingPackageError(
                f"Exporting needs the package {package}, which is not installed. Install it: pip install 'sge-lens[onnx]'."
            ) from error


def _exported(model: Model) -> bytes:
    import onnx

    network, channels = in_single_precision(model.network), model.preprocess.channels
    traced = Traced(network)
    image = smooth_image((EXAMPLE[0], channels, *EXAMPLE[1:]), seed=0)
    sizes = _sizes(model, traced, image)
    side = square_side(model.preprocess)
    cells = _cells(traced, smooth_image((1, channels, side, side), seed=0))
    proto = onnx.ModelProto.FromString(_recorded(model, traced, image))
    _add_edits(proto.graph, traced)
    compared = Comparison(network, Session(proto.SerializeToString(), model.name), model.name, channels)
    compared.on_shapes()
    compared.edits()
    blocks = [_block(traced, name, sizes, cells.get(name)) for name in traced.blocks]
    facts = _facts(model, blocks, sizes["logits"][1])
    facts |= {"sge.multiple": compared.multiple(), "sge.check": _check(compared.found)}
    onnx.helper.set_model_props(proto, {key: json.dumps(value) for key, value in facts.items()})
    content: bytes = proto.SerializeToString()
    return content + tail(hashlib.sha256(content).hexdigest())


def _sizes(model: Model, traced: Traced, image: torch.Tensor) -> dict[str, torch.Size]:
    """Shapes of what the network returns for the example.

    Raises:
        UnsupportedNetworkError: It fails, returns no logits, or does not use each block once.
    """
    try:
        with torch.no_grad():
            outputs = traced(image)
    except SGEError:
        raise
    except Exception as error:  # A foreign forward may raise anything.
        raise _unsupported(
            model, f"it fails on an image of {image.shape[3]} x {image.shape[2]} pixels", error
        ) from error
    sizes = {name: output.shape for name, output in zip(traced.names(), outputs, strict=True)}
    if len(sizes["logits"]) != 2 or sizes["logits"][0] != len(image):
        raise _unsupported(
            model, f"it returns shape {tuple(sizes['logits'])} in place of logits (rows, classes)"
        )
    if sizes["logits"][1] != len(model.labels):
        raise ChoiceError(
            f"The network has {sizes['logits'][1]} classes, and {len(model.labels)} labels are given. Give the Model a "
            "label for each class."
        )
    return sizes


def _recorded(model: Model, traced: Traced, image: torch.Tensor) -> bytes:
    try:
        return trace(traced, image)
    except Exception as error:  # The exporter raises errors of many kinds.
        raise _unsupported(model, "torch's exporter does not know one of its operations", error) from error


def _unsupported(model: Model, why: str, error: Exception | None = None) -> UnsupportedNetworkError:
    said = f" ({shown(str(error).strip().splitlines()[0])})" if error and str(error).strip() else ""
    return UnsupportedNetworkError(
        f"{model.name} cannot be exported: {why}{said}. Use the model with PyTorch, or change its network."
    )


def _add_edits(graph: onnx.GraphProto, traced: Traced) -> None:
    from sge.models.onnx_graph import add_edits, name_energy_nodes

    name_energy_nodes(graph)
    gates = {name: one.groups for name, one in traced.blocks.items() if isinstance(one, SpatialGroupEnhance)}
    add_edits(graph, gates)


def _cells(traced: Traced, image: torch.Tensor) -> dict[str, tuple[int, int]]:
    """Height and width of each block's maps; nothing if the network does not take an image of that size."""
    try:
        with torch.no_grad():
            outputs = traced(image)
    except Exception:  # A foreign forward may raise anything.
        return {}
    sizes = {name: output.shape for name, output in zip(traced.names(), outputs, strict=True)}
    return {name: (sizes[f"mask/{name}"][2], sizes[f"mask/{name}"][3]) for name in traced.blocks}


def _block(
    traced: Traced, name: str, sizes: dict[str, torch.Size], cells: tuple[int, int] | None
) -> ExportedBlock:
    block = traced.blocks[name]
    is_sge = isinstance(block, SpatialGroupEnhance)
    kind = "sge" if is_sge else "cbam" if isinstance(block, ConvolutionalBlockAttention) else "bam"
    stride = round(EXAMPLE[2] / sizes[f"mask/{name}"][3])
    inactive = inactive_groups(block)
    return ExportedBlock(name, block.groups, traced.channels[name], stride, inactive, kind, cells)


def _facts(model: Model, blocks: list[ExportedBlock], classes: int) -> dict[str, Any]:
    return {
        "sge.version": VERSION,
        "sge.name": model.name,
        "sge.arch": model.arch,
        "sge.labels": list(model.labels),
        "sge.preprocess": asdict(model.preprocess),
        "sge.card": model.card.to_record(),
        "sge.finder": None if model.finder is None else model.finder.to_record(),
        "sge.permutations": model.permutations,
        "sge.blocks": [block.to_record() for block in blocks],
        "sge.classes": classes,
        "sge.parameters": model.parameters,
        "sge.source_sha256": model.card.sha256,
    }


def _check(found: dict[str, float]) -> dict[str, Any]:
    """Measured differences as the file states them, and with what they were measured."""
    import onnxruntime

    record: dict[str, Any] = {
        "logits": found["logits"],
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
    for output, difference in found.items():
        kind, _, block = output.partition("/")
        if block:
            record.setdefault(kind, {})[block] = difference
    return record
