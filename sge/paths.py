"""Folders of the files that SGE Lens ships, and of the user's models."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

_PACKAGE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """Returns a folder of shipped files. A wheel has it inside the package, a checkout beside it.

    Args:
        folder: ``weights``, ``templates`` or ``static``.
    """
    inside = _PACKAGE / f"_{folder}"
    return inside if inside.is_dir() else _PACKAGE.parent / folder


def model_dir() -> Path:
    """Returns the folder of the user's models: ``SGE_MODEL_DIR``, else one in the system's folder of user data."""
    stated = os.environ.get("SGE_MODEL_DIR")
    return Path(stated).expanduser() if stated else Path(platformdirs.user_data_dir("sge-lens")) / "models"
