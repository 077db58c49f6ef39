"""Runs an ONNX file that somebody else made on drawn images, to see what its tensors are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sge.arrays import Array
from sge.errors import CheckpointError
from sge.models.foreign_graph import Interface, Output, rewritten
from sge.models.onnx_trial import MULTIPLE, Session, first_line

if TYPE_CHECKING:
    import onnx

OTHER = "other/"
"""Beginning of the names of the outputs that are no maps, while they are tried."""
ROUNDING = 1e-3
"""Largest difference between an image alone and in a batch, as a fraction of the largest number."""


@dataclass(frozen=True)
class Trial:
    """What a file gave for drawn images."""

    interface: Interface
    """With the size and number of rows that it takes."""
    multiple: int
    """Sides are multiples of this number."""
    side: tuple[int, int]
    """Height and width of the images."""
    found: tuple[dict[str, Array], ...]
    """Outputs by name, of one image for each; all of one size."""
    notes: tuple[str, ...] = ()


def drawn_images(rows: int, channels: int, height: int, width: int) -> Array:
    """Smooth images of normalized values, (rows, channels, height, width), float32, another one in each row."""
    random = np.random.default_rng(0)
    across, down = (np.linspace(0, 1, n, dtype=np.float32) for n in (width, height))
    waves = random.uniform(-9, 9, (rows, channels, 2, 6)).astype(np.float32)
    phase = random.uniform(0, 6, (rows, channels, 1, 1, 6)).astype(np.float32)
    angle = (
        waves[:, :, 0, None, None] * down[:, None, None]
        + waves[:, :, 1, None, None] * across[:, None]
        + phase
    )
    return np.ascontiguousarray(np.sin(angle).sum(-1) / 2)


def tried(
    proto: onnx.ModelProto, interface: Interface, outputs: Sequence[Output], size: int, where: str
) -> Trial:
    """Runs a file on images of several sizes and numbers.

    Args:
        proto: From ``normalized_graph``.
        interface: As the file states it.
        outputs: What is computed.
        size: Side of the images, where the file takes any.
        where: The file's name, for sentences.

    Raises:
        CheckpointError: It cannot be run on one image, or gives numbers that are not finite.
    """
    session = Session(rewritten(proto, interface, outputs).SerializeToString(), where)
    height, width = interface.size or (-(-size // MULTIPLE) * MULTIPLE,) * 2
    images = drawn_images(2, interface.channels, height, width)
    try:
        found = tuple(session.run(image[None]) for image in images)
    except CheckpointError as error:
        raise CheckpointError(
            f"{where} fails on an image of {width} x {height} pixels: {first_line(error.__cause__ or error)} Give the size "
            "that it takes: --preprocess '{\"size\": 224}'."
        ) from error
    for name, values in found[0].items():
        if not name.startswith(OTHER) and not np.isfinite(values).all():
            raise CheckpointError(
                f"{where} gives {name} with numbers that are not finite (infinite or not a number). Check its weights."
            )
    notes = []
    if interface.rows is None and not _takes_two(session, images, found):
        interface = replace(interface, rows=1)
    multiple = 1
    if interface.size is None:
        if not _runs(session, interface.channels, height, width + 2 * MULTIPLE, found[0]):
            interface = replace(interface, size=(height, width))
            notes.append(
                f"The file takes images of {width} x {height} pixels alone: it fails on another size, or gives other maps."
            )
        elif not _runs(session, interface.channels, height + 5, width + 13, found[0]):
            multiple = MULTIPLE
    return Trial(interface, multiple, (height, width), found, tuple(notes))


def _takes_two(session: Session, images: Array, found: tuple[dict[str, Array], ...]) -> bool:
    """Whether two images in one pass give what each gives alone."""
    try:
        both = session.run(images)
    except CheckpointError:
        return False
    for name, values in both.items():
        if name.startswith(OTHER) and (found[0][name].ndim not in (2, 3) or len(found[0][name]) != 1):
            continue
        alone = np.concatenate([one[name] for one in found]) if found[0][name].ndim else found[0][name]
        if values.shape != alone.shape or not _are_near(values, alone):
            return False
    return True


def _are_near(values: Array, others: Array) -> bool:
    largest = float(np.abs(others).max(initial=1e-6))
    return bool(np.abs(values - others).max(initial=0) <= ROUNDING * largest)


def _runs(session: Session, channels: int, height: int, width: int, like: dict[str, Array]) -> bool:
    """Whether an image of another size gives outputs of as many rows and groups, and as finite."""
    try:
        found = session.run(drawn_images(1, channels, height, width))
    except CheckpointError:
        return False
    return all(
        found[name].ndim == values.ndim
        and found[name].shape[:2] == values.shape[:2]
        and np.isfinite(found[name]).all()
        for name, values in like.items()
        if values.ndim in (2, 4) and not name.startswith(OTHER)
    )
