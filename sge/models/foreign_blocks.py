"""The blocks of an ONNX file that somebody else made, from the maps that it gave for drawn images."""

from __future__ import annotations

import numpy as np

from sge.arrays import Array
from sge.errors import CheckpointError
from sge.models.exported_facts import MAX_SIDE
from sge.models.exported_model import KINDS_OF_OUTPUTS, RANGE, ExportedBlock
from sge.models.foreign_graph import Output
from sge.models.foreign_maps import ENERGY, MASK, ChosenMap
from sge.models.foreign_trial import Trial
from sge.models.wording import quoted, shown

MAX_GROUPS = 4096


def blocks_of(chosen: list[ChosenMap], trial: Trial, where: str) -> list[ExportedBlock]:
    """The blocks in the order of their masks.

    Raises:
        CheckpointError: A map has another shape, or a mask values beyond 0 to 1.
    """
    blocks = []
    for one in chosen:
        if one.kind != MASK:
            continue
        values = _masks(one, trial, where)
        groups, height, width = values.shape[1:]
        kinds = {other.kind for other in chosen if other.block == one.block}
        for other in chosen:
            if other.block == one.block and other.kind != MASK:
                shape = trial.found[0][other.name].shape
                if shape != ((1, groups) if other.kind == ENERGY else values.shape):
                    raise CheckpointError(
                        f"{where}: {quoted(other.tensor)} has shape {shape}, and the mask of its block has {values.shape}. "
                        "Name the output that belongs to the mask, or leave it out."
                    )
        blocks.append(
            ExportedBlock(
                one.block,
                groups,
                0,
                max(1, round(trial.side[1] / width)),
                0,
                "map",
                (height, width),
                tuple(kind for kind in KINDS_OF_OUTPUTS if kind in kinds),
            )
        )
    return blocks


def _masks(one: ChosenMap, trial: Trial, where: str) -> Array:
    """A mask's values for one image, (1, G, h, w)."""
    found = [each[one.name] for each in trial.found]
    values = found[0]
    if values.ndim == 4 and values.shape[1] == 1:
        found = [each.reshape(1, -1, *each.shape[2:]) for each in found]
    elif values.ndim != 4 or len(values) != 1:
        raise CheckpointError(
            f"{where}: {quoted(one.tensor)} has shape {values.shape} for one image, and maps are (rows, groups, height, "
            "width). Name another output."
        )
    _, groups, height, width = found[0].shape
    if not groups or groups > MAX_GROUPS or not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise CheckpointError(
            f"{where}: {quoted(one.tensor)} has {groups} maps of {width} x {height} cells; shown are up to {MAX_GROUPS} "
            f"maps of up to {MAX_SIDE} x {MAX_SIDE}. Name another output."
        )
    low, high = (float(extreme([extreme(each) for each in found])) for extreme in (np.min, np.max))
    if not one.is_before_sigmoid and not (low >= -RANGE and high <= 1 + RANGE):
        raise CheckpointError(
            f"{where}: {quoted(one.tensor)} has values from {low:.3g} to {high:.3g}, and a mask has 0 to 1. If a sigmoid is "
            f"to be added, write {one.block}=sigmoid({shown(one.tensor)}); else scale it before the file is exported."
        )
    return found[0]


def map_outputs(chosen: list[ChosenMap], blocks: list[ExportedBlock], trial: Trial) -> list[Output]:
    """The outputs of the maps, in the order of ``output_names``."""
    groups = {block.name: block.groups for block in blocks}
    ordered = [
        one
        for kind in KINDS_OF_OUTPUTS
        for block in blocks
        for one in chosen
        if (one.kind, one.block) == (kind, block.name)
    ]
    made = []
    for one in ordered:
        rows = len(trial.found[0][one.name])
        steps = ("sigmoid",) * one.is_before_sigmoid + ("standardize",) * (one.kind == "similarity")
        rank = 2 if one.kind == ENERGY else 4
        made.append(Output(one.name, one.tensor, rank, steps, groups[one.block] if rows > 1 else None))
    return made
