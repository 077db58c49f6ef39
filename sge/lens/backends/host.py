"""Copies between the host and the device of a network: one for each direction and pass."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from sge.arrays import Array


def to_device(images: Array, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Images on a device.

    Args:
        images: (N, channels, h, w), float32.
        device: Where they go. To CUDA they go through pinned memory, so that the copy runs beside the host.
        dtype: Of the result.
    """
    batch = torch.from_numpy(np.ascontiguousarray(images))
    if device.type == "cuda":
        return batch.pin_memory().to(device, dtype, non_blocking=True)
    return batch.to(device, dtype)


def to_host(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    """Tensors of one device as arrays, float32, by the same names.

    From another device than the CPU they come in one copy, because each copy waits for the device.
    """
    if all(tensor.device.type == "cpu" for tensor in tensors.values()):
        return {name: tensor.detach().float().numpy() for name, tensor in tensors.items()}
    return joined_to_host(tensors)


def joined_to_host(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    """``to_host`` in one copy, whatever the device is; each array is contiguous."""
    joined = torch.cat([tensor.detach().float().flatten() for tensor in tensors.values()]).cpu().numpy()
    ends = np.cumsum([tensor.numel() for tensor in tensors.values()])
    parts = np.split(joined, ends[:-1])
    return {
        name: part.reshape(tuple(tensor.shape))
        for (name, tensor), part in zip(tensors.items(), parts, strict=True)
    }
