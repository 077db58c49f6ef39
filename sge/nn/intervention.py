"""Replaces masks and outputs of modules during the forward passes of one thread.

An edit belongs to the forward passes of the thread that opened it, as a capture does (``sge/nn/capture.py``). Several
threads may use one network at the same time, each with edits of its own or with none.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from torch import Tensor, nn

from sge.nn.blocks import named_blocks, submodule
from sge.nn.hooks import replace_output

MaskEdit = Callable[[Tensor], Tensor]
"""Receives a mask (N, G, h, w) and returns the one that takes its place; it may have more rows if N is 1."""
OutputEdit = Callable[[Any], Any]
"""Receives the output of a module and returns what takes its place."""


class _Edits:
    """Edits that were opened together."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.calls: Counter[str] = Counter()

    def apply(self, name: str, edit: OutputEdit, output: Any) -> Any:
        if self.thread != threading.get_ident() or self not in _OPEN.get():
            return output
        self.calls[name] += 1
        return edit(output)


_OPEN: ContextVar[tuple[_Edits, ...]] = ContextVar("open edits", default=())
"""Edits that are open in this thread or asyncio task. A thread that copied the context may see those of another."""


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
        compiled network, a replica of DataParallel, a block that the pass does not use.

    Raises:
        UnknownBlockError: The network has no block of a given name; the message lists the names.
    """
    blocks = named_blocks(network, list(edits))
    with _edited({name: blocks[name].gate for name in edits}, edits) as calls:
        yield calls


@contextmanager
def edit_outputs(network: nn.Module, edits: Mapping[str, OutputEdit]) -> Iterator[Counter[str]]:
    """Context manager in which the forward passes of this thread use ``edit(output)`` in place of a module's output.

    As ``edit_masks``, with paths of modules in place of blocks.

    Raises:
        UnknownBlockError: The network has no module of a given path.
    """
    with _edited({path: submodule(network, path) for path in edits}, edits) as calls:
        yield calls


@contextmanager
def _edited(modules: Mapping[str, nn.Module], edits: Mapping[str, OutputEdit]) -> Iterator[Counter[str]]:
    opened = _Edits()
    handles = []
    try:
        for name, module in modules.items():
            handles.append(replace_output(module, partial(opened.apply, name, edits[name])))
        _OPEN.set((*_OPEN.get(), opened))
        yield opened.calls
    finally:
        _OPEN.set(tuple(edit for edit in _OPEN.get() if edit is not opened))
        for handle in handles:
            handle.remove()
