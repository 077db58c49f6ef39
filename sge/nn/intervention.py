"""Replaces masks and outputs of modules during the forward passes of one thread.

An edit belongs to the forward passes of the thread that opened it, as a capture does (``sge/nn/capture.py``). Several
threads may use one network at the same time, each with edits of its own or with none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from sge.errors import CaptureError, ShapeError
from sge.nn.blocks import named_blocks, submodule
from sge.nn.driven import drive
from sge.nn.foreign import ForeignSGE
from sge.nn.foreign_maps import ForeignMap, route
from sge.nn.hooks import Attached, replace_output
from sge.nn.scopes import Scope

MaskEdit = Callable[[Tensor], Tensor]
"""Receives a mask (N, G, h, w) and returns the one that takes its place; it may have more rows if N is 1."""
OutputEdit = Callable[[Any], Any]
"""Receives the output of a module and returns what takes its place."""


class _Edits(Scope):
    """Edits that were opened together."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.calls: Counter[str] = Counter()

    def apply(self, name: str, edit: OutputEdit, output: Any) -> Any:
        if not self.is_here():
            return output
        self.calls[name] += 1
        edited = edit(output)
        if edited is None and output is not None:  # torch would keep the output.
            raise CaptureError(f"The edit of {name} returns nothing. Return what takes the output's place.")
        return edited


def _edited_mask(name: str, edit: MaskEdit, mask: Tensor) -> Tensor | None:
    edited: Any = edit(mask)
    if edited is None:
        return None
    shape = tuple(edited.shape) if isinstance(edited, Tensor) else ()
    rows, groups, *sides = mask.shape
    fits = len(shape) == 4 and shape[1] == groups and (rows == 1 or shape[0] in (1, rows))
    if not fits or any(one not in (1, side) for one, side in zip(shape[2:], sides, strict=True)):
        told = f"shape {shape}" if isinstance(edited, Tensor) else f"type {type(edited).__name__}"
        raise ShapeError(
            f"The edit of {name} returns a mask of {told} for one of shape {tuple(mask.shape)}. Return a tensor of the "
            "same shape."
        )
    return edited  # type: ignore[no-any-return]


@contextmanager
def edit_masks(network: nn.Module, edits: Mapping[str, MaskEdit]) -> Iterator[Counter[str]]:
    """Context manager in which the forward passes of this thread use ``edit(mask)`` in place of a block's mask.

    ``with edit_masks(network, {"layer3.5": torch.zeros_like}): network(x)``. Edits nest; the one opened first receives
    the mask first. A capture that is opened inside records the edited mask. Passes of other threads are unchanged. The
    hooks are removed on leaving, also after an exception; copies and pickles of the network made inside do not have
    them.

    Args:
        network: A network with SGE, CBAM or BAM blocks.
        edits: Block name to a function of the mask (N, G, h, w).

    Yields:
        Block name to how often its mask was edited so far. It stays 0 where the network does not call the hook: a
        replica of DataParallel, a block that the pass does not use.

    Raises:
        UnknownBlockError: The network has no block of a given name; the message lists the names.
        ShapeError: In the pass, if an edit does not return a mask for the same groups and positions.
    """
    blocks = named_blocks(network, list(edits))
    checked = {name: partial(_edited_mask, name, edit) for name, edit in edits.items()}
    foreign = [block for block in blocks.values() if isinstance(block, ForeignSGE | ForeignMap)]
    with _edited(network, {name: blocks[name].gate for name in edits}, checked, foreign) as calls:
        yield calls


@contextmanager
def edit_outputs(network: nn.Module, edits: Mapping[str, OutputEdit]) -> Iterator[Counter[str]]:
    """Context manager in which the forward passes of this thread use ``edit(output)`` in place of a module's output.

    As ``edit_masks``, with paths of modules in place of blocks.

    Raises:
        UnknownBlockError: The network has no module of a given path.
    """
    with _edited(network, {path: submodule(network, path) for path in edits}, edits) as calls:
        yield calls


@contextmanager
def _edited(
    network: nn.Module,
    modules: Mapping[str, nn.Module],
    edits: Mapping[str, OutputEdit],
    driven: Sequence[ForeignSGE | ForeignMap] = (),
) -> Iterator[Counter[str]]:
    opened = _Edits(network)
    hooks: list[Attached] = []
    try:
        for block in driven:
            hooks += drive(block, opened) if isinstance(block, ForeignSGE) else route(block, opened)
        for name, module in modules.items():
            hooks.append(replace_output(module, partial(opened.apply, name, edits[name]), opened))
        opened.open()
        yield opened.calls
    finally:
        opened.close()
        for hook in hooks:
            hook.remove()
