"""Forward passes of a lens: frames to a batch, and a batch to logits on the lens's device in its precision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sge.devices import autocast
from sge.errors import CaptureError, ShapeError
from sge.images import Frame
from sge.nn import SpatialGroupEnhance, eval_mode, sge_blocks


@dataclass(frozen=True)
class Passes:
    """Runs a network in eval mode; several threads may do so at the same time."""

    network: nn.Module
    device: torch.device
    precision: str
    found: dict[object, object] = field(default_factory=dict)
    """What was found out about the network by trying, such as how many rows an ablation can begin with."""

    def batch(self, frames: Sequence[Frame]) -> Tensor:
        """(N, 3, h, w) on the device, in the dtype of the network.

        Raises:
            ShapeError: no frame, or frames of different shapes.
        """
        shapes = {frame.array.shape for frame in frames}
        if len(shapes) != 1:
            raise ShapeError(
                f"Frames of one forward pass need one shape; these have {', '.join(map(str, sorted(shapes))) or 'none'}."
            )
        batch = torch.stack([torch.from_numpy(frame.array) for frame in frames])
        parameter = next(self.network.parameters(), batch)
        return batch.to(self.device, parameter.dtype)

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Context manager for passes without gradients."""
        with eval_mode(self.network), torch.inference_mode(), autocast(self.device, self.precision):
            yield

    @contextmanager
    def gradients(self) -> Iterator[None]:
        """Context manager for passes with gradients, also inside ``torch.no_grad`` or inference mode."""
        with (
            eval_mode(self.network),
            torch.inference_mode(False),
            torch.enable_grad(),
            autocast(self.device, self.precision),
        ):
            yield

    def blocks_with_groups(self) -> dict[str, SpatialGroupEnhance]:
        """Block name to SGE module.

        Raises:
            CaptureError: the network has none, so there are no groups.
        """
        if not (blocks := sge_blocks(self.network)):
            raise CaptureError(
                f"{type(self.network).__name__} has no SGE block, so it has no groups whose effect could be measured; "
                "CBAM and BAM have one map for all channels. Give it SGE with sge.insert_sge."
            )
        return blocks
