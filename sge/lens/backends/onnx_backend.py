"""Runs an exported file on the CPU, in ONNX Runtime or OpenVINO: logits, maps and ablations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sge.analysis import BlockInfo, GradCam, GroupSteps, opening_block
from sge.arrays import Array
from sge.errors import (
    CaptureError,
    ChoiceError,
    NonFiniteError,
    UnsupportedBackendError,
    UnsupportedNetworkError,
)
from sge.lens.backends.base import Backend, Forward, Gradients, Maps, Outputs, PartMaps
from sge.lens.backends.onnx_objects import objects_of
from sge.lens.backends.onnx_results import PartOutputs, block_infos, boxes_and_notes, in_range
from sge.lens.backends.onnx_sessions import ENERGY, LOGITS, MASK, SIMILARITY, Sessions
from sge.lens.rows import Rows
from sge.parts import Detector

if TYPE_CHECKING:
    from sge.lens.backends.runtimes import Runtime
    from sge.lens.backends.unchanged import Unchanged
    from sge.models import ExportedModel

KEEP, FLAT = "keep/", "flat/"
"""Beginnings of the names of the file's inputs, by which masks are edited: ``keep * mask + flat * mean(mask)``."""


class OnnxBackend:
    """An exported model in a runtime of ONNX files; see ``Backend``.

    Args:
        exported: The file.
        runtime: What runs it.
        reference: Runs the network that was exported; None if there is only the file. It gives gradients and steps.
        unchanged: Whether the network still has the weights that were exported; None if there is only the file.

    Raises:
        MissingPackageError: the runtime is not installed.
        ChoiceError: the runtime does not compute in its precision on this processor.
        CheckpointError: the file cannot be read.
    """

    def __init__(
        self,
        exported: ExportedModel,
        runtime: Runtime,
        reference: Backend | None = None,
        unchanged: Unchanged | None = None,
    ) -> None:
        self.name = runtime.name
        self.exported = exported
        self.device = "cpu"
        self.precision = runtime.precision
        self.found: dict[object, object] = {}
        self._reference = reference
        self._unchanged = unchanged
        self._blocks = {block.name: block for block in exported.blocks}
        opening = opening_block(
            exported.card.opens_with, {block.name: block.stride for block in exported.blocks}
        )
        self._has_logits = LOGITS in exported.results
        self._objects = None if self._has_logits else objects_of(exported)
        self._read = [LOGITS] if self._has_logits else [self._objects] if self._objects else []
        self._parts = PartOutputs(exported)
        self._sessions = Sessions(runtime, exported, opening, self._read)

        from sge.models import square_side

        side = square_side(exported.preprocess)
        self._stated = ("sizes", *(exported.size or (side, side)))
        cells = {block.name: block.cells for block in exported.blocks}
        if None not in cells.values():
            self.found[self._stated] = cells

    @property
    def stated_blocks(self) -> list[BlockInfo] | None:
        """See ``Backend``."""
        sizes: Mapping[str, tuple[int, int]] | None = self.found.get(self._stated)  # type: ignore[assignment]
        return None if sizes is None else block_infos(self.exported, self._stated[2], sizes)

    @property
    def has_gradients(self) -> bool:
        """See ``Backend``."""
        return self._reference is not None

    @property
    def memory_bytes(self) -> int:
        """See ``Backend``."""
        return 4 * self.exported.parameters

    @property
    def blocks(self) -> tuple[str, ...]:
        """See ``Backend``."""
        return tuple(self._blocks)

    @property
    def groups(self) -> dict[str, int]:
        """See ``Backend``."""
        return {name: block.groups for name, block in self._blocks.items() if block.kind == "sge"}

    @property
    def network_name(self) -> str:
        """See ``Backend``."""
        return self.exported.name

    def logits(self, batch: Array) -> Array:
        """See ``Backend``."""
        if (other := self._backend_of(batch)) is not None:
            return other.logits(batch)
        self._require_logits()
        return self._checked_logits(self._sessions.run(batch, [LOGITS]), len(batch))

    def outputs(self, batch: Array) -> Outputs:
        """See ``Backend``."""
        if (other := self._backend_of(batch)) is not None:
            return other.outputs(batch)
        if self._has_logits:
            return Outputs(self.logits(batch))
        found = self._sessions.run(batch, self._read) if self._read else {}
        return Outputs(None, *self._boxes(found, batch.shape))

    def forward(self, batch: Array, maps: Maps) -> Forward:
        """See ``Backend``."""
        if (other := self._backend_of(batch)) is not None:
            return other.forward(batch, maps)
        wanted = {
            kind: [name for name in names if kind[:-1] in self._blocks[name].outputs]
            for kind, names in ((MASK, maps.masks), (SIMILARITY, maps.similarity), (ENERGY, maps.energy))
        }
        fetched = [kind + name for kind, names in wanted.items() for name in names]
        key = ("sizes", *batch.shape[2:])
        # Only a pass tells the sizes of the maps for an input of a new size.
        unknown = [] if key in self.found else [MASK + name for name in self._blocks]
        parts = self._parts.names(maps.detector)
        names = list(dict.fromkeys([*self._read, *fetched, *unknown, *parts]))
        found = self._sessions.run(batch, names) if names else {}
        if unknown:
            self.found[key] = {name: found[MASK + name].shape[2:] for name in self._blocks}
        similarity, masks, energy = (
            {name: found[kind + name] for name in wanted[kind]} for kind in (SIMILARITY, MASK, ENERGY)
        )
        # The maps come first, because the earliest block is where the numbers went wrong.
        for recorded in (similarity, masks, energy):
            self.check_finite({f"block {name}": values for name, values in recorded.items()})
        if self.exported.is_foreign:
            masks = {name: in_range(self.exported, name, values) for name, values in masks.items()}
        sizes: Mapping[str, tuple[int, int]] = self.found[key]  # type: ignore[assignment]
        infos = block_infos(self.exported, batch.shape[3], sizes)
        if not self._has_logits:
            read = Forward(None, infos, masks, similarity, energy, *self._boxes(found, batch.shape))
        else:
            read = Forward(self._checked_logits(found, len(batch)), infos, masks, similarity, energy)
        if maps.detector is not None and not parts:  # torch gives what the file does not
            return replace(read, part_maps=self.part_maps(batch, maps.detector).maps)
        return replace(read, part_maps=self._part_maps(maps.detector, found))

    def reads(self, detector: Detector) -> bool:
        """See ``Backend``."""
        detector.check({name: block.groups for name, block in self._blocks.items()}, self.exported.channels)
        return bool(self._parts.names(detector)) or self._reference is not None

    def part_maps(self, batch: Array, detector: Detector) -> PartMaps:
        """See ``Backend``."""
        names = self._parts.names(detector)
        if (other := self._backend_of(batch) if names else self._reference) is not None:
            return other.part_maps(batch, detector)
        return PartMaps(self._part_maps(detector, self._sessions.run(batch, names)))

    def _part_maps(self, detector: Detector | None, found: Mapping[str, Array]) -> dict[str, Array]:
        maps = self._parts.maps(detector, found)
        self.check_finite({f"the part maps of {name}": values for name, values in maps.items()})
        return maps

    def ablated(self, image: Array, rows: Rows, shared: bool) -> Array:
        """See ``Backend``."""
        if (other := self._backend_of(image)) is not None:
            return other.ablated(image, rows, shared)
        self._require_logits()
        edits: dict[str, Array] = {}
        for name, removed in rows.removed.items():
            edits[KEEP + name] = (~removed).astype(np.float32)
            edits[FLAT + name] = (removed if rows.flat else np.zeros_like(removed)).astype(np.float32)
        images = image if shared else np.repeat(image, rows.count, 0)
        logits = self._sessions.run(images, [LOGITS], edits, rows.count)[LOGITS]
        if len(logits) != rows.count:
            raise CaptureError(
                f"{self.exported.name} gives logits of shape {logits.shape} for {rows.count} ablations. Name only blocks "
                "that it uses."
            )
        return logits

    def first_order(self, image: Array, target: int | None, blocks: Sequence[str]) -> Gradients:
        """See ``Backend``."""
        return self._in_torch("gradients").first_order(image, target, blocks)

    def grad_cam(self, image: Array, target: int, layer: str | None) -> GradCam:
        """See ``Backend``."""
        return self._in_torch("Grad-CAM").grad_cam(image, target, layer)

    def steps(self, image: Array, block: str, group: int) -> GroupSteps:
        """See ``Backend``."""
        return self._in_torch("the features by which a mask is made").steps(image, block, group)

    def check_finite(self, results: Mapping[str, Array]) -> None:
        """See ``Backend``."""
        if self._reference is not None:
            self._reference.check_finite(results)
            return
        for where, values in results.items():
            # A sum is finite only if every number is; the comparison of each one takes much longer.
            if not np.isfinite(values.sum()) and not np.isfinite(values).all():
                raise NonFiniteError(
                    f"{self.exported.name} gives numbers that are not finite (infinite or not a number) for this image, in "
                    f"{where}. Check that the preprocessing and the weights belong together."
                )

    def _require_logits(self) -> None:
        if not self._has_logits:
            raise UnsupportedNetworkError(
                f"{self.exported.name} gives no logits, so that there are no scores to be given or compared. Read "
                "its masks with analyze, or load the model that it was exported from."
            )

    def _boxes(
        self, found: Mapping[str, Array], shape: tuple[int, ...]
    ) -> tuple[list[Array] | None, tuple[str, ...]]:
        """Boxes of a pass and notes, as ``Outputs`` has them."""
        given = None if self._objects is None else found[self._objects]
        boxes, notes = boxes_and_notes(self.exported, given, shape)
        for one in boxes or ():
            self.check_finite({"the boxes": one})
        return boxes, notes

    def _in_torch(self, what: str) -> Backend:
        if self._reference is None:
            advice = (
                "Measure the effect of groups with ablate or attribute, or load" if self.groups else "Load"
            )
            raise UnsupportedBackendError(
                f"{self.exported.name} is an exported file, which does not give {what}. {advice} the model that it was "
                "exported from, with torch."
            )
        self._check_network()
        return self._reference

    def _check_network(self) -> None:
        if self._unchanged is not None and not self._unchanged:
            raise UnsupportedBackendError(
                f"The network of {self.exported.name} changed after this Lens exported it: its weights, "
                "modules or hooks. Make another Lens, or one with the backend torch, which follows the network."
            )

    def _backend_of(self, batch: Array) -> Backend | None:
        """None if the file takes images of this size, otherwise what runs them."""
        self._check_network()
        multiple, size = self.exported.multiple, self.exported.size
        height, width = batch.shape[2:]
        if size in (None, (height, width)) and not any(side % multiple for side in (height, width)):
            return None
        if self._reference is not None:
            return self._reference
        if size is not None:
            raise ChoiceError(
                f"{self.exported.name} takes inputs of {size[1]} x {size[0]} pixels alone, and this one has {width} x "
                f"{height}. Frame the image with this lens, lens.frame(image)."
            )
        raise ChoiceError(
            f"{self.exported.name} was exported for inputs whose sides are multiples of {multiple}, and this one has "
            f"{width} x {height} pixels. Choose another size or framing, or load the model that it was exported from."
        )

    def _checked_logits(self, found: Mapping[str, Array], rows: int) -> Array:
        logits = found[LOGITS]
        if logits.ndim != 2 or len(logits) != rows:
            raise UnsupportedNetworkError(
                f"{self.exported.name} returns logits of shape {logits.shape} for {rows} images. Export the model again: "
                "sge models export."
            )
        self.check_finite({"the logits": logits})
        return logits
