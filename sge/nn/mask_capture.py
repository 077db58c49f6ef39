"""Reads the masks of a network's blocks during a forward pass."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from sge.errors import UnknownBlockError
from sge.nn.blocks import require_spatial_blocks, spatial_blocks
from sge.nn.capture import Capture


class MaskCapture(Capture):
    """Records similarity and mask of each SGE block, or the single map of each CBAM or BAM block, while it is open.

    ``with MaskCapture(network) as seen: network(x)`` and then ``seen.masks["layer3.5"]``. Of several forward passes the
    last one is kept. Captures nest; hooks are removed on leaving, also after an exception. Each thread that calls the
    network needs a capture of its own (see ``Capture``).

    Args:
        network: Any network with SGE, CBAM or BAM modules in it.
        blocks: Names of the blocks to record; all by default.
        energy: Also record each group's fraction of the block's squared output.

    Raises:
        CaptureError: The network has no spatial maps.
        UnknownBlockError: The network has no block of a given name; the message lists the names.
    """

    def __init__(
        self, network: nn.Module, blocks: str | Sequence[str] | None = None, *, energy: bool = False
    ) -> None:
        require_spatial_blocks(network)
        if blocks is not None and not blocks:
            raise UnknownBlockError(f"No block is named; there are: {', '.join(spatial_blocks(network))}.")
        super().__init__(network, [blocks] if isinstance(blocks, str) else blocks, energy=energy)
