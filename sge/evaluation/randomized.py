"""A copy of a network with random weights: the sanity check of Adebayo et al. (NeurIPS 2018)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sge.images import Frame
from sge.models import Model
from sge.nn import sge_blocks


def randomized_model(model: Model, frames: Sequence[Frame], seed: int = 0) -> Model:
    """The model with every layer re-initialized; the model itself is not changed.

    Layers are reset as PyTorch initializes them; parameters that no layer knows how to reset stay. Batch norms take the
    statistics of the frames, without which a deep network of random weights would output constants. Weights and biases
    of SGE's gates are permuted among the groups of their block, so that the masks vary as much as before; gates that are
    inactive remain so.

    Args:
        model: Any model; a finder of parts is dropped, since it would not be valid for other weights.
        frames: Of one shape, for the statistics of the norms.
        seed: Of the weights; torch's global generator is restored.
    """
    network = copy.deepcopy(model.network)
    devices = [p.device for p in network.parameters() if p.device.type == "cuda"][:1]
    with torch.random.fork_rng(devices), torch.no_grad():
        torch.manual_seed(seed)
        for module in network.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
        for block in sge_blocks(network).values():
            order = torch.randperm(block.groups)
            for parameter in (block.weight, block.bias):
                parameter.copy_(parameter[:, order])
        _calibrate(network, torch.from_numpy(np.stack([frame.array for frame in frames])))
    return replace(model, network=network, finder=None)


def _calibrate(network: nn.Module, inputs: Tensor) -> None:
    """Sets the running statistics of batch norms to those of the inputs."""
    network.eval()
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    parameter = next(network.parameters(), inputs)
    if len(inputs) == 1:  # Norms of 1x1 maps need two values to train on.
        inputs = torch.cat([inputs, inputs])
    network(inputs.to(parameter.device, parameter.dtype))
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    network.eval()
