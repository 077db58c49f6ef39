"""Reads masks, similarity, inputs and outputs of modules during a forward pass; the one reader of hooks.

A capture belongs to the forward passes of the code inside its with block (``sge/nn/scopes.py``). Several threads and
asyncio tasks may read one network at the same time, each with a capture of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, nn

from sge.errors import CaptureError
from sge.nn.attention import MapGate
from sge.nn.blocks import (
    SpatialModule,
    block_module,
    named_blocks,
    submodule,
)
from sge.nn.driven import drive
from sge.nn.foreign import ForeignSGE
from sge.nn.foreign_maps import ForeignMap, route
from sge.nn.hooks import Attached, Read, after_forward, before_forward
from sge.nn.recorded import Records, group_energy, only_reads_maps, standardized
from sge.nn.scopes import Scope, current_task

Value = TypeVar("Value")


class Capture(Scope):
    """Context manager that records what modules of a network compute in the forward passes inside it.

    ``with Capture(network, outputs=["layer4"]) as seen: network(x)``, then ``seen.masks["layer3.5"]`` and
    ``seen.outputs["layer4"]``. Of several passes the last one is kept. Captures nest. The hooks are removed on leaving,
    also after an exception; copies and pickles of the network made inside do not have them.

    A pass that runs partly in other threads (DataParallel, halves of a batch in a thread pool) is never recorded in
    part: reading its results raises ``CaptureError``. The same holds for passes of several asyncio tasks inside one
    capture. While a generator is suspended inside the with block, the passes of the code that drives it are not recorded.
    A compiled network runs eagerly inside, because compiled code does not call hooks.

    Args:
        network: The network to read.
        blocks: Names of the SGE, CBAM and BAM blocks whose maps are recorded; None records all that there are, an
            empty sequence none.
        energy: Also record each group's fraction of the block's squared output: of all blocks, or of those named.
        only_sizes: Names of the blocks of which sizes and channels are recorded, but no maps.
        reads: Name of a recorded block to a function of the features (N, C, h, w) at the input of its module, called before
            the module runs. Only what it returns is kept; it must not share memory with the features.
        inputs: Paths of modules whose first positional input is recorded before the module runs.
        outputs: Paths of modules whose output is recorded.
        grad: Record the tensors themselves, with their graph; only energy is detached. Otherwise all are detached and
            cloned, because later layers may work in place on the same memory.
        reduce: Applied at once to each recorded input and output that is a tensor; only its result is kept.
        rows: Batch size of the passes inside. Maps with another number of rows are then refused when they are read, and
            passes of other threads through the same network are ignored. Without it, a pass in another thread that has
            no capture of its own makes the capture unreadable, because it may be a part of the batch.

    Raises:
        UnknownBlockError: The network has no block or module of a given name.
    """

    def __init__(
        self,
        network: nn.Module,
        blocks: Sequence[str] | None = None,
        *,
        energy: bool | Iterable[str] = False,
        only_sizes: Iterable[str] = (),
        reads: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
        inputs: Iterable[str] = (),
        outputs: Iterable[str] = (),
        grad: bool = False,
        reduce: Callable[[Tensor], Tensor] | None = None,
        rows: int | None = None,
    ) -> None:
        super().__init__(network)
        self._blocks = named_blocks(network, blocks)
        self._reads = dict(reads or {})
        self._inputs = {path: submodule(network, path) for path in inputs}
        self._outputs = {path: submodule(network, path) for path in outputs}
        self._mapped = self._blocks.keys() - set(only_sizes)
        self._energy = set(self._mapped if energy is True else energy or ())
        self._grad = grad
        self._reduce = reduce
        self._rows = rows
        self._attached: list[Attached] = []
        self._records = Records()

    def __enter__(self) -> Self:
        if self.is_open:
            raise CaptureError("This capture is open already. Make one capture for each forward pass.")
        self._records = Records()
        for path, module in self._inputs.items():
            self._attach(before_forward, module, partial(self._read_input, path))
        for name, block in self._blocks.items():
            is_map = isinstance(block.gate, MapGate)
            if name in self._reads:
                self._attach(before_forward, block_module(block), partial(self._read_features, name))
            if isinstance(block, ForeignSGE):
                self._attached += drive(block, self, self._grad)
            elif isinstance(block, ForeignMap):
                self._attached += route(block, self)
            self._attach(after_forward, block.gate, partial(self._read_gate, name, block, is_map))
            self._attach(after_forward, block_module(block), partial(self._read_block, name, block.groups))
        for path, module in self._outputs.items():
            self._attach(after_forward, module, partial(self._read_output, path))
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        for attached in self._attached:
            attached.remove()
        self._attached.clear()

    def _attach(self, when: Callable[..., Attached], module: nn.Module, read: Read) -> None:
        def read_own_pass(inputs: tuple[Any, ...], output: Any) -> None:
            if self.is_here():
                self._records.tasks.add(current_task())
                read(inputs, output)
            elif self.misses_a_thread():
                self._records.elsewhere = True

        self._attached.append(when(module, read_own_pass, self, self._note_replica))

    def _note_replica(self) -> None:
        self._records.elsewhere = True

    def _read_gate(
        self, name: str, block: SpatialModule, is_map: bool, inputs: tuple[Tensor, ...], mask: Tensor
    ) -> None:
        self._records.sizes[name] = tuple(mask.shape)
        if name not in self._mapped:
            return
        given = inputs[0] if self._grad else inputs[0].detach()
        kept = torch.Tensor.detach if not self._grad and only_reads_maps(block) else self._kept
        self._records.similarity[name] = standardized(given) if is_map else kept(given)
        self._records.masks[name] = kept(mask)

    def _read_block(self, name: str, groups: int, _inputs: Any, output: Tensor) -> None:
        self._records.channels[name] = output.shape[1]
        if name in self._energy:
            self._records.energy[name] = group_energy(output.detach(), groups)

    def _read_features(self, name: str, inputs: tuple[Tensor, ...], _output: None) -> None:
        self._records.reads[name] = self._reads[name](inputs[0] if self._grad else inputs[0].detach())

    def _read_input(self, path: str, inputs: tuple[Tensor, ...], _output: None) -> None:
        self._records.calls[path] += 1
        if not inputs or not isinstance(inputs[0], Tensor):
            raise CaptureError(f"The first input of {path} is no tensor. Name a module whose input is one.")
        self._records.inputs[path] = self._reduced(inputs[0])

    def _read_output(self, path: str, _inputs: Any, output: Any) -> None:
        self._records.calls[path] += 1
        self._records.outputs[path] = self._reduced(output) if isinstance(output, Tensor) else output

    def _kept(self, tensor: Tensor) -> Tensor:
        return tensor if self._grad else tensor.detach().clone()

    def _reduced(self, tensor: Tensor) -> Tensor:
        if self._reduce is None:
            return self._kept(tensor)
        return self._reduce(tensor if self._grad else tensor.detach())

    @property
    def masks(self) -> dict[str, Tensor]:
        """Block name to (N, G, h, w), between 0 and 1.

        Raises:
            CaptureError: No forward pass went through a recorded block, or its rows cannot be told apart.
        """
        return self._maps(self._records.masks, self._mapped)

    @property
    def similarity(self) -> dict[str, Tensor]:
        """Block name to (N, G, h, w) with mean 0 and unbiased standard deviation 1 in each map.

        CBAM and BAM compute no similarity; the logits of their map, standardized over space, stand for it.

        Raises:
            CaptureError: No forward pass went through a recorded block, or its rows cannot be told apart.
        """
        return self._maps(self._records.similarity, self._mapped)

    @property
    def energy(self) -> dict[str, Tensor]:
        """Block name to (N, G): each group's fraction of the block's squared output; a row sums to 1.

        Raises:
            CaptureError: No forward pass went through a recorded block, its rows cannot be told apart, or the capture
                was opened without ``energy=True``.
        """
        if not self._energy:
            raise CaptureError("Open the capture with energy=True to read the groups' share of the output.")
        return self._maps(self._records.energy, self._energy)

    @property
    def sizes(self) -> dict[str, tuple[int, ...]]:
        """Block name to the shape of its mask, (N, G, h, w), also where only sizes are recorded.

        Raises:
            CaptureError: As for ``masks``.
        """
        sizes = self._complete(self._records.sizes, self._blocks)
        self._check_rows({name: size[0] for name, size in sizes.items()})
        return sizes

    @property
    def channels(self) -> dict[str, int]:
        """Block name to the number of channels that its mask multiplies."""
        return {name: self._records.channels[name] for name in self.sizes}

    @property
    def reads(self) -> dict[str, Tensor]:
        """Block name to what its function of ``reads`` returned.

        Raises:
            CaptureError: As for ``masks``.
        """
        return self._maps(self._records.reads, self._reads)

    @property
    def inputs(self) -> dict[str, Tensor]:
        """Module path to its first positional input.

        Raises:
            CaptureError: No forward pass went through a recorded module, or its rows cannot be told apart.
        """
        return self._complete(self._records.inputs, self._inputs)

    @property
    def outputs(self) -> dict[str, Any]:
        """Module path to its output, as a rule a tensor.

        Raises:
            CaptureError: No forward pass went through a recorded module, or its rows cannot be told apart.
        """
        return self._complete(self._records.outputs, self._outputs)

    @property
    def calls(self) -> dict[str, int]:
        """Path of each module of ``inputs`` and ``outputs`` to how often it was called while the capture was open."""
        return {path: self._records.calls[path] for path in (*self._inputs, *self._outputs)}

    def _maps(self, recorded: dict[str, Tensor], names: Container[str]) -> dict[str, Tensor]:
        maps = self._complete(recorded, [name for name in self._blocks if name in names])
        self._check_rows({name: len(tensor) for name, tensor in maps.items()})
        return maps

    def _check_rows(self, rows: Mapping[str, int]) -> None:
        for name, number in rows.items():
            if self._rows is not None and number != self._rows:
                raise CaptureError(
                    f"{name} was called with {number} of {self._rows} images. Run each batch as one pass in one thread."
                )

    def _complete(self, recorded: dict[str, Value], wanted: Iterable[str]) -> dict[str, Value]:
        if self._records.elsewhere and self._rows is None:
            raise CaptureError(
                "Another thread called the network while this capture was open, so it cannot be told which images the "
                "maps belong to. Call the network in the thread that opened the capture, open a capture in each "
                "thread that calls it, and call network.module in place of DataParallel."
            )
        if len(self._records.tasks) > 1:
            raise CaptureError(
                "Several asyncio tasks called the network inside this capture, so it cannot be told which images the maps "
                "belong to. Open a capture in each task."
            )
        if missing := [name for name in wanted if name not in recorded]:
            raise CaptureError(
                f"No forward pass has gone through {', '.join(missing)} inside this capture. Call the network "
                "within the with block, in the same thread, without replicas (DataParallel), and not through a function "
                "that torch.compile or a tracer made; and name only blocks that it uses."
            )
        return {name: recorded[name] for name in wanted}
