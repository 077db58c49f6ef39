"""Runs a network in torch: the reference, on every device, with gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from sge.analysis import BlockInfo, GradCam, GroupSteps
from sge.arrays import Array
from sge.devices import find_device, find_precision
from sge.errors import CaptureError
from sge.lens.adapters import find_adapter
from sge.lens.attribution import first_order_effects
from sge.lens.backends.base import Forward, Gradients, Maps, Outputs, PartMaps
from sge.lens.backends.host import to_host
from sge.lens.backends.inner_size import InnerSize, inner_size
from sge.lens.boxes import best_first
from sge.lens.failures import check_usable
from sge.lens.grad_cam import grad_cam
from sge.lens.passes import Passes
from sge.lens.rows import Rows
from sge.lens.steps import group_steps
from sge.models import PartReader, part_output
from sge.nn import (
    Adapter,
    Capture,
    FoldedViews,
    ForeignSGE,
    Output,
    edit_masks,
    inactive_groups,
    require_spatial_blocks,
    resizing_path,
    sge_blocks,
    spatial_blocks,
)
from sge.parts import BY, Detector

_BY = "detector"
"""What the one detector of a pass is named by."""


class TorchBackend:
    """A network on one device; see ``Backend``.

    Args:
        network: With spatial maps; it is moved to the device.
        device: As in ``Lens``.
        precision: As in ``Lens``.
        threads: As in ``Lens``.
        frozen: As in ``Lens``.
        adapter: Reads what the network returns; by default as logits.

    Raises:
        CaptureError: the network has no module that makes spatial maps.
        ChoiceError: a device that is not available, or an unknown precision.
        UnsupportedNetworkError: the network has no values yet (meta device, lazy modules).
    """

    name = "torch"
    has_gradients = True

    def __init__(
        self,
        network: nn.Module,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        frozen: bool = False,
        adapter: Adapter | None = None,
    ) -> None:
        require_spatial_blocks(network)
        check_usable(network)
        found = find_device(device)
        precision = find_precision(precision)
        if threads is not None:
            torch.set_num_threads(threads)
        self.network = network.to(found)
        folded = FoldedViews(self.network) if frozen else None
        adapter = find_adapter("logits", None) if adapter is None else adapter
        self.passes = Passes(self.network, found, precision, folded=folded, adapter=adapter)
        self.found = self.passes.found
        self._detectors: tuple[Detector, ...] = ()
        """Those that were checked last."""

    @property
    def device(self) -> torch.device:
        """See ``Backend``."""
        return self.passes.device

    @property
    def precision(self) -> str:
        """See ``Backend``."""
        return self.passes.precision

    @property
    def memory_bytes(self) -> int:
        """See ``Backend``."""
        tensors = (*self.network.parameters(), *self.network.buffers())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    @property
    def blocks(self) -> tuple[str, ...]:
        """See ``Backend``."""
        return tuple(spatial_blocks(self.network))

    @property
    def groups(self) -> dict[str, int]:
        """See ``Backend``."""
        return {name: module.groups for name, module in sge_blocks(self.network).items()}

    @property
    def stated_blocks(self) -> None:
        """See ``Backend``."""
        return None

    @property
    def network_name(self) -> str:
        """See ``Backend``."""
        return type(self.network).__name__

    def logits(self, batch: Array) -> Array:
        """See ``Backend``."""
        images = self.passes.batch(batch)
        with self.passes.inference() as view:
            logits = self.passes.logits(view, images, len(images))
        return self._checked(logits)

    def outputs(self, batch: Array) -> Outputs:
        """See ``Backend``."""
        images = self.passes.batch(batch)
        with self.passes.inference() as view:
            output = self.passes.output(view, images, len(images))
        return self._outputs(output)

    def forward(self, batch: Array, maps: Maps) -> Forward:
        """See ``Backend``."""
        images = self.passes.batch(batch)
        reader = _reader(maps.detector)
        with self.passes.inference() as view:
            others = set(spatial_blocks(view)) - {*maps.masks, *maps.similarity, *reader.similarity}
            resizing = resizing_path(view)
            read = [] if resizing is None else [resizing]
            with Capture(
                view,
                energy=maps.energy,
                only_sizes=others,
                reads=reader.reads,
                outputs=read,
                rows=len(images),
            ) as seen:
                output = self.passes.output(view, images, len(images))
            shapes, channels = seen.sizes, seen.channels
            wanted = {f"similarity {name}": seen.similarity[name] for name in maps.similarity}
            wanted |= {f"mask {name}": seen.masks[name] for name in maps.masks}
            wanted |= {f"energy {name}": seen.energy[name] for name in maps.energy}
            wanted |= reader.maps(seen.similarity, seen.reads)
            inner = inner_size(seen.outputs[resizing], images) if resizing else InnerSize(images.shape[3])
            arrays = to_host(wanted)
        similarity = {name: arrays[f"similarity {name}"] for name in maps.similarity}
        masks = {name: arrays[f"mask {name}"] for name in maps.masks}
        energy = {name: arrays[f"energy {name}"] for name in maps.energy}
        part_maps = self._part_maps(arrays, maps.detector)
        # The maps come first, because the earliest block is where the numbers went wrong.
        for recorded in (similarity, masks, energy):
            self.check_finite({f"block {name}": values for name, values in recorded.items()})
        modules = spatial_blocks(view)
        blocks = [
            BlockInfo(
                name=name,
                groups=groups,
                height=height,
                width=width,
                stride=max(1, round(inner.width / width)),
                channels=channels[name],
                inactive=inactive_groups(modules[name]),
            )
            for name, (_, groups, height, width) in shapes.items()
        ]
        found = self._outputs(output)
        return Forward(
            found.logits, blocks, masks, similarity, energy, found.boxes, found.notes, inner.extent, part_maps
        )

    def reads(self, detector: Detector) -> bool:
        """See ``Backend``; the number of channels is checked in the pass."""
        if not any(known is detector for known in self._detectors):
            detector.check({name: block.groups for name, block in spatial_blocks(self.network).items()})
            self._detectors = (*self._detectors[-len(BY) :], detector)
        return True

    def part_maps(self, batch: Array, detector: Detector) -> PartMaps:
        """See ``Backend``."""
        images = self.passes.batch(batch)
        reader = _reader(detector)
        with self.passes.inference() as view:
            others = set(reader.blocks) - set(reader.similarity)
            resizing = resizing_path(view)
            read = [] if resizing is None else [resizing]
            with Capture(
                view, reader.blocks, only_sizes=others, reads=reader.reads, outputs=read, rows=len(images)
            ) as seen:
                self.passes.output(view, images, len(images))
            arrays = to_host(reader.maps(seen.similarity, seen.reads))
            inner = inner_size(seen.outputs[resizing], images) if resizing else InnerSize(images.shape[3])
        return PartMaps(self._part_maps(arrays, detector), inner.extent)

    def _part_maps(self, arrays: Mapping[str, Array], detector: Detector | None) -> dict[str, Array]:
        if detector is None:
            return {}
        maps = {one.block: arrays[part_output(_BY, one.block)] for one in detector.blocks}
        self.check_finite({f"the part maps of {name}": values for name, values in maps.items()})
        return maps

    def ablated(self, image: Array, rows: Rows, shared: bool) -> Array:
        """See ``Backend``.

        Raises:
            CaptureError: the pass does not call the gates of the blocks.
        """
        batch = self.passes.batch(image)
        blocks = sge_blocks(self.network).values()
        if not shared or any(isinstance(one, ForeignSGE) and one.in_place for one in blocks):
            batch = batch.expand(rows.count, -1, -1, -1)
        edits = {
            name: partial(_edit, torch.from_numpy(removed), rows.flat)
            for name, removed in rows.removed.items()
        }
        with self.passes.inference() as view, edit_masks(view, edits) as calls:
            logits = self.passes.logits(view, batch)
        if unused := [name for name in edits if not calls[name]]:
            raise CaptureError(
                f"The forward pass does not call the gate of {', '.join(unused)}, so its groups cannot be ablated. Use a "
                "network that is not made by a tracer, and name only blocks that it uses."
            )
        if len(logits) != rows.count:
            raise CaptureError(
                f"The network gives logits of shape {tuple(logits.shape)} for {rows.count} images. Mend its forward: it "
                "must return one row for each image."
            )
        return _array(logits)

    def first_order(self, image: Array, target: int | None, blocks: Sequence[str]) -> Gradients:
        """See ``Backend``."""
        return first_order_effects(self.passes, self.passes.batch(image), target, blocks)

    def grad_cam(self, image: Array, target: int, layer: str | None) -> GradCam:
        """See ``Backend``."""
        return grad_cam(self.passes, self.passes.batch(image), target, layer)

    def steps(self, image: Array, block: str, group: int) -> GroupSteps:
        """See ``Backend``."""
        return group_steps(self.passes, self.passes.batch(image), block, group)

    def check_finite(self, results: Mapping[str, Array]) -> None:
        """See ``Backend``."""
        self.passes.check_finite(results)

    def _outputs(self, output: Output) -> Outputs:
        boxes = None if output.boxes is None else [best_first(_array(one)) for one in output.boxes]
        for one in boxes or ():
            self.check_finite({"the boxes": one})
        logits = None if output.logits is None else self._checked(output.logits)
        return Outputs(logits, boxes, (output.note,) if output.note else ())

    def _checked(self, logits: Tensor) -> Array:
        array = _array(logits)
        self.check_finite({"the logits": array})
        return array


def _reader(detector: Detector | None) -> PartReader:
    return PartReader({} if detector is None else {_BY: detector})


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().float().cpu().numpy()
    return array


def _edit(removed: Tensor, flat: bool, mask: Tensor) -> Tensor:
    chosen = removed.to(mask.device)[:, :, None, None]
    return torch.where(chosen, mask.mean((2, 3), keepdim=True) if flat else 0.0, mask)
