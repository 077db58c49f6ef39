"""Eval mode of a network for a while, also when several threads use the network."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn


@dataclass
class _Use:
    count: int
    training: bool
    """The module's own flag before its first user came."""


_LOCK = threading.Lock()
_IN_USE: dict[nn.Module, _Use] = {}
"""Modules that are held in eval mode now."""


@contextmanager
def eval_mode(network: nn.Module) -> Iterator[None]:
    """Holds a network in eval mode, then restores each module's own mode, also where modules differ.

    Several threads may hold one network, or networks that share modules: a module's mode is restored when the last of
    them leaves.
    """
    modules = list(network.modules())
    with _LOCK:
        if any(module not in _IN_USE for module in modules):
            before = {module: module.training for module in modules}
            network.eval()
        for module in modules:
            if module in _IN_USE:
                _IN_USE[module].count += 1
            else:
                _IN_USE[module] = _Use(1, before[module])
    try:
        yield
    finally:
        with _LOCK:
            for module in modules:
                use = _IN_USE[module]
                use.count -= 1
                if use.count == 0:
                    module.training = use.training
                    del _IN_USE[module]
