"""Groups that mean something, without training: channels that respond alike become neighbours.

Each channel's response is centred within each image over its places and scaled; responses are correlated over
the places of all images; balanced k-means on these correlations makes groups of equal size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sge.errors import ShapeError
from sge.nn.blocks import sge_blocks
from sge.nn.modes import eval_mode
from sge.nn.permutation.balanced_kmeans import balanced_clusters
from sge.nn.permutation.families import streams
from sge.nn.permutation.permute import permute_channels

Progress = Callable[[int, int | None], None]
"""Called with the images done and the number of items, where that is known."""


def regroup(
    network: nn.Module, images: Iterable[Tensor], seed: int = 0, progress: Progress | None = None
) -> nn.Module:
    """Sorts the channels of every SGE block so that each group holds channels that respond alike.

    The order is folded into the neighbouring layers: the outputs stay equal (1e-5 relative), and the modules
    still group consecutive channels. See ``channel_orders`` and ``apply_orders``, which this does in turn.

    Returns:
        The same network, changed in place.

    Raises:
        UnsupportedNetworkError: no SGE module is there, or its channels cannot be sorted exactly.
        OrderError: the gates are awake.
        ShapeError: there is no image, or something that is none.
    """
    return permute_channels(network, channel_permutations(network, images, seed, progress))


def channel_permutations(
    network: nn.Module, images: Iterable[Tensor], seed: int = 0, progress: Progress | None = None
) -> dict[str, Tensor]:
    """The order that puts channels that respond alike into one group, for every SGE block.

    Args:
        network: A network with SGE; left as it is.
        images: Normalised float tensors, (3, H, W) or (N, 3, H, W), of any sizes, on any device. Each is
            used once and let go: memory does not grow with their number.
        seed: Of the clustering; equal input and seed give equal orders.
        progress: Called after each item of ``images`` with the images done and ``len(images)`` (None
            where it has no length).

    Returns:
        Block name to (C,), int64: ``order[i]`` is the old channel that becomes channel i. Blocks on one
        residual stream get the same order, from the responses of them all.

    Raises:
        UnsupportedNetworkError: no SGE module is there, or its channels cannot be sorted exactly.
        ShapeError: there is no image, or something that is none.
    """
    blocks = sge_blocks(network)
    found = streams(network)  # Refuses before the images are read.
    products = _response_products(network, images, progress)
    permutations: dict[str, Tensor] = {}
    for stream in found:
        correlation = sum(_correlation(products[name]) for name in stream.blocks) / len(stream.blocks)
        groups = max(blocks[name].groups for name in stream.blocks)
        labels, _ = balanced_clusters(np.asarray(correlation), groups, seed)
        order = torch.from_numpy(np.argsort(labels, kind="stable"))
        permutations |= dict.fromkeys(stream.blocks, order)
    return {name: permutations[name] for name in blocks}


def _response_products(
    network: nn.Module, images: Iterable[Tensor], progress: Progress | None
) -> dict[str, Tensor]:
    """Block name to (C, C) float64: products of the centred responses, summed over places and images."""
    sums: dict[str, Tensor] = {}
    like = next(network.parameters())
    handles = [
        module.register_forward_pre_hook(partial(_add_products, sums, name))
        for name, module in sge_blocks(network).items()
    ]
    done = 0
    total = len(images) if isinstance(images, Sized) else None
    try:
        with eval_mode(network), torch.inference_mode():
            for image in images:
                batch = _as_batch(image).to(like.device, like.dtype)
                network(batch)
                done += len(batch)
                if progress is not None:
                    progress(done, total)
    finally:
        for handle in handles:
            handle.remove()
    if not done:
        raise ShapeError("No image was given, and channels are sorted by how they respond to images.")
    return sums


def _as_batch(image: Tensor) -> Tensor:
    if image.dim() not in (3, 4) or image.shape[-3] != 3 or not image.is_floating_point():
        raise ShapeError(
            "Images must be normalised float tensors (3, H, W) or (N, 3, H, W), "
            f"not {tuple(image.shape)} of {image.dtype}."
        )
    return image if image.dim() == 4 else image[None]


def _add_products(sums: dict[str, Tensor], name: str, _module: nn.Module, inputs: tuple[Any, ...]) -> None:
    responses = inputs[0].flatten(2).float()
    centred = responses - responses.mean(2, keepdim=True)
    product = torch.einsum("ncp,ndp->cd", centred, centred).double()
    sums[name] = sums[name].add_(product) if name in sums else product


def _correlation(products: Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
    deviation = products.diagonal().sqrt()
    # A channel that never responds correlates with none.
    scale = torch.where(deviation > 0, 1 / deviation, 0)
    return (products * scale[:, None] * scale).cpu().numpy()
