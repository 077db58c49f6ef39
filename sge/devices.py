"""Where a network computes, and how exactly."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from sge.errors import ChoiceError, check_choice

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def find_device(name: str) -> torch.device:
    """``auto`` (CUDA where there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.

    Raises:
        ChoiceError: a device that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).item()  # "meta" makes tensors that hold nothing
    except (RuntimeError, AssertionError, ImportError) as error:
        raise ChoiceError(
            f"device is {name!r}, which this machine does not offer; choose auto or cpu."
        ) from error
    return device


def find_precision(name: str) -> str:
    """The precision's own name; ``auto`` is float32, so that figures on cards hold on every device.

    Raises:
        ChoiceError: an unknown precision.
    """
    check_choice("precision", name, ["auto", *PRECISIONS])
    return "float32" if name == "auto" else name


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """The forward pass in one of ``PRECISIONS``."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=PRECISIONS[precision])
