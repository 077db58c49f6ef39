"""Reads the masks that a forward pass makes, and leaves the network as it was."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from sge.errors import CaptureError, UnknownBlockError
from sge.nn.attention import MapGate
from sge.nn.blocks import SpatialModule, require_spatial_blocks, sge_blocks, spatial_blocks
from sge.nn.module import standardize_maps

__all__ = ["MaskCapture", "sge_blocks", "spatial_blocks"]


class MaskCapture:
    """Records similarity and mask of SGE blocks while it is open; of CBAM and BAM, their one map a block.

    ``with MaskCapture(network) as seen: network(x)`` and then ``seen.masks["layer3.5"]``. Of several forward
    passes the last is kept. Captures nest; hooks are removed on leaving, also by an exception.

    Args:
        network: Any network with SGE, CBAM or BAM modules in it. The two have no similarity of their own: their
            map's logits, normalised as SGE's are, stand for it.
        blocks: Names of the blocks to record; all by default.
        energy: Also record each group's share of the block's squared output.

    Raises:
        CaptureError: the network makes no spatial maps.
        UnknownBlockError: a name that the network has not; the message lists the names.
    """

    def __init__(
        self, network: nn.Module, blocks: str | Sequence[str] | None = None, *, energy: bool = False
    ) -> None:
        blocks = [blocks] if isinstance(blocks, str) else blocks
        known = require_spatial_blocks(network)
        if blocks is not None and not blocks:
            raise UnknownBlockError(f"No block is named; there are: {', '.join(known)}.")
        if unknown := [name for name in blocks or () if name not in known]:
            raise UnknownBlockError(f"No block {', '.join(unknown)}; there are: {', '.join(known)}.")
        self._modules = known if blocks is None else {name: known[name] for name in known if name in blocks}
        self._compiled = hasattr(network, "_orig_mod")
        self._energy_wanted = energy
        self._handles: list[RemovableHandle] = []
        self._masks: dict[str, Tensor] = {}
        self._similarity: dict[str, Tensor] = {}
        self._energy: dict[str, Tensor] = {}
        self._channels: dict[str, int] = {}

    def __enter__(self) -> MaskCapture:
        for recorded in (self._masks, self._similarity, self._energy, self._channels):
            recorded.clear()  # Opened again, it must not show what an earlier pass has left.
        for name, module in self._modules.items():
            self._handles.append(module.gate.register_forward_hook(self._gate_hook(name)))
            self._handles.append(module.register_forward_hook(self._module_hook(name)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _gate_hook(self, name: str) -> Any:
        is_map = isinstance(self._modules[name].gate, MapGate)

        def read(_gate: nn.Module, inputs: tuple[Tensor, ...], mask: Tensor) -> None:
            # Clones, because what follows in the network may work in place on the same memory.
            given = inputs[0].detach()
            self._similarity[name] = _standardised(given) if is_map else given.clone()
            self._masks[name] = mask.detach().clone()

        return read

    def _module_hook(self, name: str) -> Any:
        def read(module: SpatialModule, _inputs: Any, out: Tensor) -> None:
            self._channels[name] = out.shape[1]
            if self._energy_wanted:
                power = out.detach().float().square().mean((2, 3))
                by_group = power.reshape(len(power), module.groups, -1).sum(2)
                self._energy[name] = by_group / by_group.sum(1, keepdim=True).clamp_min(torch.finfo().tiny)

        return read

    @property
    def masks(self) -> dict[str, Tensor]:
        """Block name to (N, G, h, w), between 0 and 1.

        Raises:
            CaptureError: a recorded block has not fired.
        """
        return self._all_of(self._masks)

    @property
    def similarity(self) -> dict[str, Tensor]:
        """Block name to (N, G, h, w), mean 0 and unbiased deviation 1 in each map.

        Raises:
            CaptureError: a recorded block has not fired.
        """
        return self._all_of(self._similarity)

    @property
    def energy(self) -> dict[str, Tensor]:
        """Block name to (N, G): each group's share of the block's squared output, summing to 1.

        Raises:
            CaptureError: a recorded block has not fired, or the capture was not asked for energy.
        """
        if not self._energy_wanted:
            raise CaptureError("Open the capture with energy=True to read the groups' share of the output.")
        return self._all_of(self._energy)

    @property
    def channels(self) -> dict[str, int]:
        """Block name to the number of channels that its mask multiplies."""
        return {name: self._channels[name] for name in self.masks}

    def _all_of(self, recorded: dict[str, Tensor]) -> dict[str, Tensor]:
        if missing := [name for name in self._modules if name not in recorded]:
            what_to_do = (
                "A compiled network does not call what was hooked in later: call the original, network._orig_mod."
                if self._compiled
                else "Call the network within the with block, and name only blocks that it uses."
            )
            raise CaptureError(
                f"No forward pass has gone through {', '.join(missing)} inside this capture. {what_to_do}"
            )
        return {name: recorded[name] for name in self._modules}


def _standardised(logits: Tensor) -> Tensor:
    # The mean of equal large numbers is off by a rounding as large as eps; of equal zeros it is not.
    logits = logits.float()
    return standardize_maps(logits - logits[..., :1, :1])
