"""Saves analyses and opens them again."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save as to_safetensors

from sge.analysis.analysis import Analysis
from sge.analysis.overlay import summary
from sge.analysis.record import from_record, to_record
from sge.analysis.report import html_report
from sge.arrays import Array
from sge.errors import AnalysisFileError
from sge.files import write_atomically
from sge.images.decode import Source, decode

_RECORD = "sge.analysis.analysis"


def arrays_of(analysis: Analysis) -> dict[str, Array]:
    """All maps, float32.

    ``mask/<block>`` (G, h, w), ``similarity/<block>`` (G, h, w), ``energy/<block>`` (G,), and with a part
    finder ``part/<kind>`` (h, w).
    """
    maps = {kind: one.map for kind, one in analysis.part_maps.items()}
    return {
        f"{kind}/{name}": np.ascontiguousarray(values)
        for kind, arrays in (
            ("mask", analysis.masks),
            ("similarity", analysis.similarity),
            ("energy", analysis.energy),
            ("part", maps),
        )
        for name, values in arrays.items()
    }


def _safetensors(analysis: Analysis) -> bytes:
    return to_safetensors(arrays_of(analysis), {_RECORD: _record_text(analysis)})


def _npz(analysis: Analysis) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays_of(analysis), **{_RECORD: np.array(_record_text(analysis))})  # type: ignore[arg-type]
    return buffer.getvalue()


def _record_text(analysis: Analysis) -> str:
    return json.dumps(to_record(analysis, maps=False))


def _json(analysis: Analysis) -> bytes:
    return json.dumps(to_record(analysis)).encode()


def _html(analysis: Analysis) -> bytes:
    return html_report(analysis).encode()


def _png(analysis: Analysis) -> bytes:
    buffer = io.BytesIO()
    summary(analysis).save(buffer, "PNG")
    return buffer.getvalue()


_WRITERS: dict[str, Callable[[Analysis], bytes]] = {
    ".safetensors": _safetensors,
    ".npz": _npz,
    ".json": _json,
    ".html": _html,
    ".png": _png,
}
ENDINGS = tuple(_WRITERS)


def to_bytes(analysis: Analysis, ending: str) -> bytes:
    """The analysis as a file's content.

    Args:
        analysis: What to write.
        ending: ``.safetensors``, ``.npz``, ``.json``, ``.html`` or ``.png``.

    Raises:
        AnalysisFileError: another ending.
    """
    if ending not in _WRITERS:
        raise AnalysisFileError(
            f"An analysis is not written as {ending or 'a file without ending'}; use {', '.join(ENDINGS)}."
        )
    return _WRITERS[ending](analysis)


def save(analysis: Analysis, path: str | os.PathLike[str]) -> None:
    """Writes ``to_bytes`` of the path's ending; the file appears whole or not at all.

    Raises:
        AnalysisFileError: another ending, or the file cannot be written.
    """
    data = to_bytes(analysis, Path(path).suffix.lower())
    try:
        write_atomically(Path(path), data)
    except OSError as error:
        raise AnalysisFileError(f"{path} cannot be written: {error.strerror}.") from error


def open_analysis(path: str | os.PathLike[str], image: Source | None = None) -> Analysis:
    """See ``Analysis.open``."""
    path = Path(path)
    readers = {".safetensors": _read_safetensors, ".npz": _read_npz, ".json": _read_json}
    if path.suffix.lower() not in readers:
        raise AnalysisFileError(
            f"{path.name} cannot be opened as an analysis; these can: {', '.join(readers)}."
        )
    try:
        analysis = readers[path.suffix.lower()](path)
    except FileNotFoundError:
        raise AnalysisFileError(f"There is no file {path}. Check the path.") from None
    except (
        Exception
    ) as error:  # damage makes zlib, zipfile, json, Pillow and safetensors raise what they like
        if isinstance(error, OSError) and error.errno is not None:
            raise AnalysisFileError(f"{path} cannot be read: {error.strerror}.") from error
        reason = f"{type(error).__name__}: {error}"
        raise AnalysisFileError(
            f"{path.name} is damaged or was not written by Analysis.save ({reason}). Save it again."
        ) from error
    if image is not None:
        decoded = decode(image)
        if decoded.sha256 != analysis.image_info.sha256:
            raise AnalysisFileError(
                f"This is not the image of {path.name} (sha256 {decoded.sha256[:12]} instead of "
                f"{analysis.image_info.sha256[:12]}). Give the file that was analysed."
            )
        analysis.image = decoded.rgb
    return analysis


def _read_safetensors(path: Path) -> Analysis:
    with safe_open(path, "np") as file:
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return from_record(json.loads((file.metadata() or {})[_RECORD]), arrays)


def _read_npz(path: Path) -> Analysis:
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    return from_record(json.loads(str(arrays.pop(_RECORD))), arrays)


def _read_json(path: Path) -> Analysis:
    return from_record(json.loads(path.read_text("utf-8")))
