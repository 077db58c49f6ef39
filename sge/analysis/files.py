"""Saves analyses as files, and opens them again."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from safetensors import safe_open

from sge.analysis.atlas import cells_record
from sge.analysis.data import AnalysisData
from sge.analysis.finite_json import json_text
from sge.analysis.npz import npz_file
from sge.analysis.own_files import HEADER, png_info
from sge.analysis.packing import json_body
from sge.analysis.record import arrays_of, from_header, from_record, to_header, to_record
from sge.analysis.report import html_report
from sge.analysis.summary import draw_summary
from sge.analysis.tensor_file import tensor_file
from sge.errors import AnalysisFileError
from sge.files import Content, reason_of, write_atomically
from sge.images import Source, decode


def _safetensors(analysis: AnalysisData) -> Content:
    return tensor_file(arrays_of(analysis), {HEADER: json_text(to_header(analysis))})


def _npz(analysis: AnalysisData) -> bytes:
    return npz_file({**arrays_of(analysis), HEADER: np.array(json_text(to_header(analysis)))})


def _json(analysis: AnalysisData) -> bytes:
    return json_body(to_record(analysis, cells_record))


def _html(analysis: AnalysisData) -> bytes:
    return html_report(analysis).encode()


def _png(analysis: AnalysisData) -> bytes:
    buffer = io.BytesIO()
    draw_summary(analysis).save(buffer, "PNG", pnginfo=png_info())
    return buffer.getvalue()


_WRITERS: dict[str, Callable[[AnalysisData], Content]] = {
    ".safetensors": _safetensors,
    ".npz": _npz,
    ".json": _json,
    ".html": _html,
    ".png": _png,
}
ENDINGS = tuple(_WRITERS)


def to_bytes(analysis: AnalysisData, ending: str) -> bytes:
    """The analysis as a file's content.

    Args:
        analysis: What to write.
        ending: ``.safetensors``, ``.npz``, ``.json``, ``.html`` or ``.png``.

    Raises:
        AnalysisFileError: another ending, one that needs the image and the analysis holds none, or a number that is not
            finite.
    """
    content = _content(analysis, ending)
    return content if isinstance(content, bytes) else b"".join(content)


def _content(analysis: AnalysisData, ending: str) -> Content:
    if ending not in _WRITERS:
        raise AnalysisFileError(
            f"An analysis is not written as {ending or 'a file without ending'}; use {', '.join(ENDINGS)}."
        )
    return _WRITERS[ending](analysis)


def save(analysis: AnalysisData, path: str | os.PathLike[str]) -> None:
    """Writes ``to_bytes`` of the path's ending; the file is replaced as a whole or not at all.

    Raises:
        AnalysisFileError: as ``to_bytes``, or the file cannot be written.
    """
    content = _content(analysis, Path(path).suffix.lower())
    try:
        write_atomically(Path(path), content)
    except OSError as error:
        raise AnalysisFileError(
            f"{path} cannot be written: {error.strerror}. Free some space, or name another folder."
        ) from error


def read(path: str | os.PathLike[str], image: Source | None = None) -> AnalysisData:
    """Reads what ``save`` wrote as ``.safetensors``, ``.npz`` or ``.json``.

    Args:
        path: The file.
        image: The image, which the file does not hold; it is compared with the file's hash.

    Raises:
        AnalysisFileError: not such a file, or another image.
        ImageError: the image cannot be used.
    """
    path = Path(path)
    analysis = _read(path)
    if image is None:
        return analysis
    decoded = decode(image)
    if decoded.sha256 != analysis.image_info.sha256:
        raise AnalysisFileError(
            f"This is not the image of {path.name} (sha256 {decoded.sha256[:12]} instead of "
            f"{analysis.image_info.sha256[:12]}). Give the file that was analyzed."
        )
    return replace(analysis, image=decoded.rgb)


def _read(path: Path) -> AnalysisData:
    if path.suffix.lower() not in _READERS:
        raise AnalysisFileError(
            f"{path.name} cannot be opened as an analysis; these can: {', '.join(_READERS)}."
        )
    try:
        build = _READERS[path.suffix.lower()](path)
    except FileNotFoundError:
        raise AnalysisFileError(f"There is no file {path}. Check the path.") from None
    # A damaged file makes zlib, zipfile, json, NumPy and safetensors raise errors of many kinds.
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise AnalysisFileError(
                f"{path} cannot be read: {error.strerror}. Check the path and its permissions."
            ) from error
        raise _unusable(path, "its content cannot be read") from error
    try:
        return build()
    except Exception as error:  # A record of another form; which error it raises depends on the form.
        raise _unusable(path, reason_of(error)) from error


def _unusable(path: Path, reason: str) -> AnalysisFileError:
    return AnalysisFileError(
        f"{path.name} is damaged or was not written by Analysis.save ({reason}). Save it again."
    )


def _read_safetensors(path: Path) -> _Build:
    with safe_open(path, "np") as file:
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return partial(from_header, json.loads((file.metadata() or {})[HEADER]), arrays)


def _read_npz(path: Path) -> _Build:
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    return partial(from_header, json.loads(str(arrays.pop(HEADER))), arrays)


def _read_json(path: Path) -> _Build:
    return partial(from_record, json.loads(path.read_text("utf-8")))


_Build = Callable[[], AnalysisData]
"""Makes an analysis of a file's content."""
_READERS: dict[str, Callable[[Path], _Build]] = {
    ".safetensors": _read_safetensors,
    ".npz": _read_npz,
    ".json": _read_json,
}
