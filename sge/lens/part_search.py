"""Finds parts in frames: with a detector at several input sizes, or with readouts in the maps of the frames' own pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sge.arrays import Array
from sge.images import Box, Frame, Geometry, input_size, scaled, scaled_sizes
from sge.lens.backends.base import Backend, Forward, PartMaps
from sge.lens.wanted import Wanted
from sge.parts import BY, Detector, Finder, Part, PartLogits, PartMap, combined, detect, maps_and_parts

if TYPE_CHECKING:
    from sge.models import ExportedModel, Model

Found = tuple[dict[str, PartMap], list[Part]]
"""Maps of parts, and the parts themselves."""
Size = tuple[int, int]
"""Width and height of an input in pixels."""


def part_finders(finder: Finder | None, backend: Backend) -> tuple[str, ...]:
    """The values of ``Wanted.parts_by`` for which a detector can be used, in the order of ``BY``."""
    known = {} if finder is None else finder.detectors
    return tuple(by for by in BY if by in known and backend.reads(known[by]))


def passes(model: Model | ExportedModel, backend: Backend, framing: str, wanted: Wanted) -> float:
    """What an analysis computes, in forward passes of the image's own input: see ``Lens.passes``."""
    detector = PartSearch(model, backend, wanted).detector
    own = input_size(model.preprocess, framing)
    if detector is None or model.preprocess.fixed is not None:
        return 1.0
    # What the center crop shows of a square image, whose sides are its resized shorter side.
    side = own if framing == "whole" else round(own * model.preprocess.resize / model.preprocess.size)
    shown = Box(0.0, 0.0, float(own), float(own))
    geometry = Geometry((side, side), (own, own), shown, framing)
    sizes = [size for size in scaled_sizes(geometry, detector.sizes) if size != (own, own)]
    return 1.0 + sum(width * height for width, height in sizes) / own**2


class PartSearch:
    """How the parts of frames that share one pass are found.

    Args:
        model: With its finder, if it has one.
        backend: Runs the model.
        wanted: Says whether parts are wanted, and what they are read from.

    Raises:
        FinderError: A detector is of another network.
    """

    def __init__(self, model: Model | ExportedModel, backend: Backend, wanted: Wanted) -> None:
        finder = model.finder if wanted.parts else None
        self._backend = backend
        self._everything = wanted.part_candidates
        self._has_one_size = model.preprocess.fixed is not None
        self._known: dict[str, Detector] = {} if finder is None else finder.detectors
        usable = sorted(part_finders(finder, backend), key=lambda by: by != wanted.parts_by)
        self.detector = self._known[usable[0]] if usable else None
        """What finds the parts; None where readouts do, or nothing."""
        self._finder = finder if self.detector is None and finder is not None and finder.readouts else None
        self.notes: tuple[str, ...] = ()
        """What the backend does not give, as full sentences."""
        if wanted.parts and wanted.parts_by != Wanted.parts_by and model.finder is None:
            self.notes = (
                f"{model.name} has no part finder, so that parts_by={wanted.parts_by} has no effect. Leave it out, or "
                "choose another model.",
            )
        if wanted.parts_by in self._known and wanted.parts_by not in usable:
            instead = "read from groups alone" if usable or self._finder else "not searched"
            self.notes = (
                f"{model.name} is an exported file without the outputs for its finder's channels, so that parts are "
                f"{instead}. Export the model again: sge models export.",
            )

    @property
    def similarity(self) -> set[str]:
        """Blocks whose similarity is needed of the frames' own pass."""
        readouts = () if self._finder is None else self._finder.readouts.values()
        return {term.block for readout in readouts for term in readout.terms}

    def detector_of_pass(self, frames: Sequence[Frame]) -> Detector | None:
        """The detector, if the frames have a size at which it looks, so that their own pass serves it."""
        return self.detector if any(_size(frame) in self._sizes(frame) for frame in frames) else None

    def found(self, frames: Sequence[Frame], forward: Forward) -> list[Found]:
        """Maps and parts of each frame.

        Args:
            frames: Of one shape.
            forward: Their own pass, with the similarity and the detector that it was asked for.
        """
        if self.detector is not None:
            sizes: list[list[PartLogits]] = [[] for _ in frames]
            for row, logits in self._logits(self.detector, frames, forward):
                sizes[row].append(logits)
            return [detect(self.detector, one, everything=self._everything) for one in sizes]
        if self._finder is None:
            return [({}, []) for _ in frames]
        finder = self._finder
        return [
            maps_and_parts(
                {name: maps[row] for name, maps in forward.similarity.items()},
                frame.geometry.extended(forward.extent),
                finder,
            )
            for row, frame in enumerate(frames)
        ]

    def _logits(
        self, detector: Detector, frames: Sequence[Frame], forward: Forward
    ) -> Iterator[tuple[int, PartLogits]]:
        """Logits of all frames at all sizes, each with the number of its frame."""
        rows_of: dict[Size, list[int]] = {}
        for row, frame in enumerate(frames):
            for size in self._sizes(frame):
                rows_of.setdefault(size, []).append(row)
        own = _size(frames[0])
        for size, rows in sorted(rows_of.items()):
            # A pass has no more pixels than that of the frames, as long as it has one image.
            most = max(1, len(frames) * own[0] * own[1] // (size[0] * size[1]))
            for start in range(0, len(rows), most):
                part = rows[start : start + most]
                if size == own:
                    maps = {name: values[part] for name, values in forward.part_maps.items()}
                    found = PartMaps(maps, forward.extent)
                else:
                    found = self._backend.part_maps(_scaled_batch(frames, part, size), detector)
                for at, row in enumerate(part):
                    logits = combined(detector, {name: values[at] for name, values in found.maps.items()})
                    geometry = replace(frames[row].geometry, input=size).extended(found.extent)
                    yield row, PartLogits(logits, geometry)

    def _sizes(self, frame: Frame) -> list[Size]:
        """The inputs at which the detector looks at a frame, ascending."""
        if self.detector is None:
            return []
        return [_size(frame)] if self._has_one_size else scaled_sizes(frame.geometry, self.detector.sizes)


def _scaled_batch(frames: Sequence[Frame], rows: Sequence[int], size: Size) -> Array:
    return np.stack([scaled(frames[row].array, size) for row in rows])


def _size(frame: Frame) -> Size:
    return frame.array.shape[2], frame.array.shape[1]
