"""Faithfulness of saliency maps over a set of images: curves, average drop and the pointing game."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path

from sge.datasets import ImageFile
from sge.errors import ChoiceError, DataError, check_seed, check_whole
from sge.evaluation.curves import check_steps
from sge.evaluation.faithfulness_result import (
    RANDOMIZED,
    Faithfulness,
    Record,
    column_interval,
    methods_of,
)
from sge.evaluation.image_figures import ImageFigures, Protocol, identifier
from sge.evaluation.image_log import ImageLog
from sge.evaluation.saliency import choose_block
from sge.evaluation.sets import Paths, SetReader, listed_images, paths_of, sampled
from sge.images import Box, input_size
from sge.models import Model, digest

Files = Iterable[ImageFile]


def measure_faithfulness(
    model: Model,
    sources: Paths,
    protocol: Protocol | None = None,
    boxes: dict[str, Box] | None = None,
    *,
    only: str | None = None,
    limit: int | None = None,
    log: Path | None = None,
    track: Callable[[list[ImageFile]], Files] = iter,
    batch: int = 32,
    device: str = "auto",
    skip_broken: bool = False,
) -> Faithfulness:
    """Measures how well maps show the pixels that a network's prediction depends on.

    The target of every image is the class that the model predicts for it. Maps of random weights are those of another
    network for the same class; they are scored, like all others, by the model itself.

    Args:
        model: With SGE; its network is moved to the device.
        sources: Folders with any subfolders, ``.tar`` files, or single images.
        protocol: Block, framing, steps and seed.
        boxes: Image name to box, from ``read_boxes``, for the pointing game.
        only: Measures only the images whose file name contains this text.
        limit: Measures a random sample of so many images; a larger sample begins with a smaller one. None measures all.
        log: A file that keeps the figures of each image; a measurement that was interrupted continues from it.
        track: Wraps the list of images that remain to be measured, for a progress bar.
        batch: Largest number of inputs in a forward pass.
        device: ``auto``, ``cpu``, ``cuda``, ...
        skip_broken: Leaves out images that cannot be read, and lists them, instead of raising.

    Raises:
        ChoiceError: a setting out of range, or maps that are not finite.
        DataError: a source cannot be used, no image can be read, no image has a box, a box lies outside its image, or
            the log is of another measurement.
        ImageError: an image cannot be read.
        CaptureError, UnknownBlockError: the network has no SGE, or no such block.
    """
    protocol = replace(protocol or Protocol(), block=choose_block(model, (protocol or Protocol()).block))
    side = input_size(model.preprocess, protocol.framing, protocol.size)
    _check(protocol, boxes, batch)
    paths = paths_of(sources)
    found_images = listed_images(paths, only)
    listed = found_images.files
    _check_names(listed)
    files = sampled(listed, limit, protocol.seed)
    if boxes is not None and not any(file.name in boxes for file in files):
        raise DataError(
            f"None of the {len(files)} images has a box; there is none for {files[0].name}, for example. "
            "The boxes need the images' names below the folder or in the archive."
        )
    reader = SetReader.of(found_images, skip_broken)
    measurement = ImageFigures(model, protocol, boxes or {}, batch, device, reader)
    sets = [path.resolve().name for path in paths]
    with ImageLog(log, _key(model, protocol, boxes) | {"sets": sets, "only": only}) as records:
        shuffled = sampled(listed, len(listed), protocol.seed)
        randomized = {identifier(file) for file in shuffled[: protocol.randomized]}
        todo = [file for file in files if not _is_done(records.get(identifier(file)), file, randomized)]
        if todo and randomized:
            measurement.randomize(shuffled, randomized)
        for record in measurement.records(track(todo)):
            records.add(record)
    found = [records[identifier(file)] for file in files if identifier(file) in records]
    if not found:
        raise reader.none_readable(len(files))
    full, empty = (column_interval(found, key, protocol.seed) for key in ("full", "empty"))
    assert full is not None
    assert empty is not None
    assert protocol.block is not None
    return Faithfulness(
        images=len(found),
        block=protocol.block,
        framing=protocol.framing,
        size=side,
        steps=protocol.steps,
        seed=protocol.seed,
        sets=sets,
        full=full,
        empty=empty,
        methods=methods_of(found, protocol.seed),
        chance=column_interval(found, "chance", protocol.seed),
        without_box=sum(record["chance"] is None for record in found) if boxes is not None else 0,
        skipped=len(reader.broken),
        broken=reader.broken,
        not_images=reader.not_images,
        notes=reader.notes,
    )


def _check(protocol: Protocol, boxes: dict[str, Box] | None, batch: int) -> None:
    check_seed(protocol.seed)
    if check_whole("randomized", protocol.randomized) < 0:
        raise ChoiceError(f"randomized is {protocol.randomized}; choose 0 images or more.")
    if batch < 1:
        raise ChoiceError(f"batch is {batch}; choose at least 1 input.")
    if protocol.steps is not None:
        check_steps(protocol.steps)
    elif boxes is None:
        raise ChoiceError("Without curves only the pointing game is left: give boxes, or a number of steps.")


def _check_names(files: list[ImageFile]) -> None:
    if len({identifier(file) for file in files}) < len(files):
        raise DataError(
            "Two of the sources have the same name and hold images of the same name, so that their figures cannot be told "
            "apart. Rename one of the sources, or name the folder above them."
        )


def _key(model: Model, protocol: Protocol, boxes: dict[str, Box] | None) -> Record:
    """What the figures of one image depend on; how many images have maps of random weights is no part of it."""
    text = json.dumps(boxes, sort_keys=True).encode()
    settings = {key: value for key, value in asdict(protocol).items() if key != "randomized"}
    # The card of a model of the user's names no file, and its weights may change.
    weights = model.card.sha256 or digest(model.network.state_dict(), model.preprocess.to_record())
    return {"model": [model.name, weights], "boxes": hashlib.sha256(text).hexdigest()} | settings


def _is_done(record: Record | None, file: ImageFile, randomized: set[str]) -> bool:
    if record is None:
        return False
    return identifier(file) not in randomized or any(
        name.startswith(RANDOMIZED) for name in record["methods"]
    )
