"""Networks that torch.compile has compiled, and what else wraps a network: which they are, and how they are run eagerly."""

from __future__ import annotations

import threading
from typing import Any

import torch
from torch import nn

_WRAPPING = ("_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module", "_forward_module")
"""Names that torch.compile, activation checkpointing, FSDP and Lightning's Fabric put between a module and its wrapper."""
_PARALLEL = "module"
"""Name of the only child of DataParallel, DistributedDataParallel and the wrappers that average weights."""
_LOCK = threading.Lock()


class _Eager:
    """How many captures and edits of compiled networks are open, and the stance that they keep."""

    users = 0
    stance: Any = None


def is_compiled(network: nn.Module) -> bool:
    """Whether torch.compile compiled the network, a module in it, or the forward method of one."""
    return any(
        "_orig_mod" in module._modules
        or module._compiled_call_impl is not None
        or original_function(module.__dict__.get("forward")) is not None
        for module in network.modules()
    )


def original_function(function: object) -> Any:
    """What torch.compile was called with to make this function; None if it did not make it."""
    return getattr(function, "_torchdynamo_orig_callable", None)


def force_eager() -> None:
    """Runs all compiled code eagerly until ``release_eager`` has been called as often as this."""
    with _LOCK:
        if _Eager.users == 0:
            _Eager.stance = torch.compiler.set_stance("force_eager")
            _Eager.stance.__enter__()
        _Eager.users += 1


def release_eager() -> None:
    """Ends one ``force_eager``."""
    with _LOCK:
        _Eager.users -= 1
        if _Eager.users == 0:
            _Eager.stance.__exit__(None, None, None)


def wrapped_module(module: nn.Module) -> nn.Module | None:
    """The module inside a wrapper that only changes how it is run: compiled, replicated, or recomputed; otherwise None."""
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return module.module  # type: ignore[no-any-return]
    for name in ("_orig_mod", "_checkpoint_wrapped_module"):
        if (inner := module._modules.get(name)) is not None:
            return inner
    return None


def is_sharded(module: nn.Module) -> bool:
    """Whether FSDP splits the module's parameters, so that it can be run by the processes of its group alone."""
    return "_fsdp_wrapped_module" in module._modules or hasattr(module, "_get_fsdp_state")


def clean_path(network: nn.Module, path: str) -> str:
    """A module's path without the names that wrappers put into it."""
    names = []
    module = network
    for name in path.split(".") if path else []:
        alone = name == _PARALLEL and len(module._modules) == 1
        if not alone and name not in _WRAPPING:
            names.append(name)
        module = module.get_submodule(name)
    return ".".join(names)
