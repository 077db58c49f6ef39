"""Which part finder belongs to a model by name."""

from __future__ import annotations

from pathlib import Path

from sge.models.model import Model
from sge.nn.capture import sge_blocks
from sge.parts.finder import Finder
from sge.paths import model_dir, shipped

SUFFIX = ".parts.json"


def finder_file(name: str) -> Path | None:
    """The user's own finder for a model of that name, else the shipped one."""
    files = (folder / f"{name}{SUFFIX}" for folder in (model_dir(), shipped("weights")))
    return next((file for file in files if file.is_file()), None)


def attach_finder(model: Model) -> None:
    """Gives the model its finder, if there is one.

    Raises:
        FinderError: the file is no finder, or its groups are not those of this model.
    """
    if (file := finder_file(model.name)) is not None:
        finder = Finder.load(file)
        finder.check_permutation(model.permutations)
        finder.check({name: module.groups for name, module in sge_blocks(model.network).items()})
        model.finder = finder
