"""Recognizes files that this project wrote by their content, so that no command replaces anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL.PngImagePlugin import PngInfo
from safetensors import safe_open

from sge.images import open_formats

SOFTWARE = "SGE Lens"
"""The text ``Software`` of the PNG files that this project writes."""
HEADER = "sge.analysis"
"""Name of a record's header: a key of a .safetensors file's metadata, an array of an .npz file."""
REPORT_MARK = b'import "sge/report.js"'
"""A line of every HTML report."""
_RECORD_KEYS = {"version", "model", "predictions", "blocks"}


def png_info() -> PngInfo:
    """Metadata by which ``is_record`` recognizes a PNG."""
    info = PngInfo()
    info.add_text("Software", SOFTWARE)
    return info


def is_record(path: Path) -> bool:
    """Whether a file is an analysis, summary or report of this project.

    Args:
        path: Its ending says which kind is expected.
    """
    check = _CHECKS.get(path.suffix.lower())
    if check is None or not path.is_file():
        return False
    try:
        return check(path)
    except Exception:  # Readers of foreign and damaged files raise errors of many kinds.
        return False


def _is_json(path: Path) -> bool:
    record: Any = json.loads(path.read_text("utf-8"))
    return isinstance(record, dict) and record.keys() >= _RECORD_KEYS


def _is_safetensors(path: Path) -> bool:
    with safe_open(path, "np") as file:
        return HEADER in (file.metadata() or {})


def _is_npz(path: Path) -> bool:
    with np.load(path, allow_pickle=False) as file:
        return HEADER in file.files


def _is_png(path: Path) -> bool:
    with path.open("rb") as file, open_formats(file, ("PNG",)) as image:
        return image.info.get("Software") == SOFTWARE


def _is_html(path: Path) -> bool:
    return REPORT_MARK in path.read_bytes()


_CHECKS: dict[str, Callable[[Path], bool]] = {
    ".json": _is_json,
    ".safetensors": _is_safetensors,
    ".npz": _is_npz,
    ".png": _is_png,
    ".html": _is_html,
}
