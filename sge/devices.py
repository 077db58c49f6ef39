"""The device and the precision with which a network computes. Importing this module does not import torch."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from sge.errors import ChoiceError, check_choice

if TYPE_CHECKING:
    import torch

PRECISIONS = ("float32", "bfloat16", "float16")
"""Names of dtypes of the forward pass; the two short ones are used by autocast."""


def available_cores() -> int:
    """Number of cores that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def find_device(name: str) -> torch.device:
    """The torch device of a name.

    Args:
        name: ``auto`` (CUDA if it is available, otherwise the CPU), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.

    Raises:
        ChoiceError: This machine does not have the device.
    """
    import torch  # Programs that run exported files do without it.

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).item()  # fails on "meta", whose tensors have no values
    except (RuntimeError, AssertionError, ImportError, TypeError) as error:
        raise ChoiceError(
            f"device is {name!r}, which this machine does not offer; choose auto or cpu."
        ) from error
    return device


def find_precision(name: str) -> str:
    """Name of the precision that is used for ``name``.

    Args:
        name: A key of ``PRECISIONS`` or ``auto``, which is float32 so that the figures on cards hold on every device.

    Raises:
        ChoiceError: The precision is unknown.
    """
    check_choice("precision", name, ["auto", *PRECISIONS])
    return "float32" if name == "auto" else name


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """Context manager for a forward pass in one of ``PRECISIONS``."""
    if precision == "float32":
        return nullcontext()
    import torch

    return torch.autocast(device.type, dtype=getattr(torch, precision))
