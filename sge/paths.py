"""Where the files that come with SGE Lens lie: in a checkout, or in an installed wheel."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

_PACKAGE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """``weights``, ``templates`` or ``static``: the wheel carries them inside the package, a checkout beside it."""
    inside = _PACKAGE / f"_{folder}"
    return inside if inside.is_dir() else _PACKAGE.parent / folder


def model_dir() -> Path:
    """The user's own models: ``SGE_MODEL_DIR``, else the system's place for user data."""
    named = os.environ.get("SGE_MODEL_DIR")
    return Path(named).expanduser() if named else Path(platformdirs.user_data_dir("sge-lens")) / "models"
