"""Groups channels that respond alike, without training, and permutes the network accordingly.

Each channel's response is centered and scaled over the positions of all images (centered within each image). Balanced
k-means on the correlations of the responses makes groups of equal size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sge.errors import ShapeError
from sge.nn.blocks import own_sge_blocks
from sge.nn.capture import Capture
from sge.nn.modes import eval_mode
from sge.nn.permutation.balanced_kmeans import balanced_clusters
from sge.nn.permutation.families import shared_channels
from sge.nn.permutation.permute import permute_channels

Progress = Callable[[int, int | None], None]
"""Called with the number of images done and the number of items, if that is known."""


def regroup(
    network: nn.Module, images: Iterable[Tensor], seed: int = 0, progress: Progress | None = None
) -> nn.Module:
    """Permutes the channels of every SGE block so that each group holds channels that respond alike.

    The neighbouring layers are permuted too: the outputs stay equal (1e-5 relative), and the modules still group
    consecutive channels. It calls ``channel_permutations``, which describes the arguments, and ``permute_channels``.

    Args:
        network: A network with SGE; changed in place.
        images: Normalized float tensors, (3, H, W) or (N, 3, H, W). ``sge.regroup`` takes images in any form.
        seed: Seed of the clustering.
        progress: Called after each item of ``images``.

    Returns:
        The same network.

    Raises:
        UnsupportedNetworkError: The network has no SGE module, or its channels cannot be permuted exactly.
        PermutationError: The gates are not inactive.
        ShapeError: There is no image, or an item is not an image.
    """
    return permute_channels(network, channel_permutations(network, images, seed, progress))


def channel_permutations(
    network: nn.Module, images: Iterable[Tensor], seed: int = 0, progress: Progress | None = None
) -> dict[str, Tensor]:
    """Finds the permutation of every SGE block that puts channels that respond alike into one group.

    Args:
        network: A network with SGE; not changed.
        images: Normalized float tensors, (3, H, W) or (N, 3, H, W), of any sizes, on any device. Each is used once and
            not kept, so that memory does not grow with their number.
        seed: Seed of the clustering; equal input and seed give equal permutations.
        progress: Called after each item of ``images`` with the number of images done and ``len(images)`` (None if it
            has no length).

    Returns:
        Block name to (C,), int64: ``permutation[i]`` is the old channel that becomes channel i. Blocks that share their
        channels get the same permutation, computed from the responses of all of them.

    Raises:
        UnsupportedNetworkError: The network has no SGE module, or its channels cannot be permuted exactly.
        ShapeError: There is no image, or an item is not an image.
    """
    blocks = own_sge_blocks(network)
    found = shared_channels(network)  # before any image is read, because it may refuse the network
    products = _response_products(network, images, progress)
    permutations: dict[str, Tensor] = {}
    for channels in found:
        correlation = sum(_correlation(products[name]) for name in channels.blocks) / len(channels.blocks)
        groups = max(blocks[name].groups for name in channels.blocks)
        labels, _ = balanced_clusters(np.asarray(correlation), groups, seed)
        permutation = torch.from_numpy(np.argsort(labels, kind="stable"))
        permutations |= dict.fromkeys(channels.blocks, permutation)
    return {name: permutations[name] for name in blocks}


def _response_products(
    network: nn.Module, images: Iterable[Tensor], progress: Progress | None
) -> dict[str, Tensor]:
    """Block name to (C, C) float64: products of the centered responses, summed over positions and images."""
    sums: dict[str, Tensor] = {}
    like = next(network.parameters())
    paths = {module: path for path, module in network.named_modules()}
    inputs = {name: paths[module] for name, module in own_sge_blocks(network).items()}
    capture = Capture(network, (), inputs=inputs.values(), reduce=_centered_products)
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    channels = 3 if first is None else first.in_channels
    done = 0
    total = len(images) if isinstance(images, Sized) else None
    for image in images:
        batch = _as_batch(image, channels).to(like.device, like.dtype)
        with eval_mode(network), torch.no_grad():
            with capture:
                network(batch)
            for name, path in inputs.items():
                product = capture.inputs[path]
                sums[name] = sums[name].add_(product) if name in sums else product
        done += len(batch)
        if progress is not None:
            progress(done, total)
    if not done:
        raise ShapeError("No image was given, and channels are grouped by how they respond to images.")
    return sums


def _as_batch(image: Tensor, channels: int) -> Tensor:
    if image.dim() not in (3, 4) or image.shape[-3] != channels or not image.is_floating_point():
        raise ShapeError(
            f"Images must be normalized float tensors ({channels}, H, W) or (N, {channels}, H, W), "
            f"not {tuple(image.shape)} of {image.dtype}."
        )
    return image if image.dim() == 4 else image[None]


def _centered_products(features: Tensor) -> Tensor:
    responses = features.flatten(2).float()
    centered = responses - responses.mean(2, keepdim=True)
    return torch.einsum("ncp,ndp->cd", centered, centered).double()


def _correlation(products: Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
    std = products.diagonal().sqrt()
    # A channel that never responds is correlated with no other.
    scale = torch.where(std > 0, 1 / std, 0)
    return (products * scale[:, None] * scale).cpu().numpy()
