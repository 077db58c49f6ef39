"""Which models there are by name: those that come with SGE Lens, and the user's own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from sge.errors import ChoiceError
from sge.models.delta import SUFFIX
from sge.models.pretrained import CARD, user_deltas
from sge.paths import model_dir, shipped


def shipped_cards() -> dict[str, dict[str, Any]]:
    """Name to card of each model that comes with SGE Lens."""
    cards = sorted(shipped("weights").glob(f"*{CARD}"))
    return {path.name.removesuffix(CARD): json.loads(path.read_text("utf-8")) for path in cards}


def shipped_files() -> dict[str, Path]:
    """Name to file of each shipped model that stands on no published weights: the file holds all of its own."""
    return {
        name: shipped("weights") / f"{name}.safetensors"
        for name, facts in shipped_cards().items()
        if "base" not in facts
    }


def imported_files() -> dict[str, Path]:
    """Name to file of each model that the user has imported or downloaded."""
    files = sorted(model_dir().glob("*.safetensors"))
    return {path.stem: path for path in files if not path.name.endswith(SUFFIX)}


def model_names() -> list[str]:
    """Every name that ``load_model`` takes alone."""
    return sorted({*shipped_cards(), *imported_files(), *user_deltas()})


def origin(name: str) -> str:
    """How a model came here: shipped, imported or awakened."""
    if name in imported_files():
        return "imported"
    return "shipped" if name in shipped_cards() else "tuned"


def check_name(name: str) -> None:
    """Refuses what could not be the name of a model of the user's.

    Raises:
        ChoiceError: no file name, or the name of a shipped model.
    """
    if name in shipped_cards():
        raise ChoiceError(f"{name} is the name of a model that comes with SGE Lens. Choose another: --name.")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ChoiceError(
            f"{name!r} cannot be a model's name. Use letters, digits, '.', '_' and '-', beginning with a letter "
            "or a digit."
        )
