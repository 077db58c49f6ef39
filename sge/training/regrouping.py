"""``sge.regroup``: sorts the channels of a network into groups that respond alike, on images in any form."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from sge.datasets import Images, normalized_images
from sge.images import Preprocess
from sge.nn import channel_permutations, permute_channels

Progress = Callable[[int, int | None], None]
"""Called with the number of images done and the number of items, if that is known."""


def regroup(
    network: nn.Module,
    images: Images,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    preprocess: Preprocess | None = None,
) -> nn.Module:
    """Permutes the channels of every SGE block so that each group holds channels that respond alike.

    The neighbouring layers are permuted too: the outputs stay equal (1e-5 relative), and the modules still group
    consecutive channels. Channels are sorted by balanced k-means on the correlations of their responses over the positions
    of all images (``sge/nn/permutation/regroup.py``).

    Args:
        network: A network with SGE; changed in place.
        images: A list of images, or one. An image is what ``Lens.analyze`` takes (path, bytes, binary file, PIL image, a
            decoded image), a frame of ``Lens.frame``, a uint8 array of pixels (H, W, 3) or (3, H, W), or a normalized
            floating array (3, H, W) or (N, 3, H, W) of any size. A folder or ``.tar`` stands for all its images. Each is
            used once and not kept.
        seed: Seed of the clustering; equal images and seed give equal permutations.
        progress: Called after each image.
        preprocess: Size and normalization of files and pixels, which are framed as a whole; by default those of ImageNet.

    Returns:
        The same network.

    Raises:
        UnsupportedNetworkError: The network has no SGE module, or its channels cannot be permuted exactly.
        PermutationError: The gates are not inactive.
        ImageError: An image cannot be used; the message says which. In a folder it is left out and logged.
        DataError: A folder without images, or something that is no image.
        ShapeError: There is no image, or an array has another number of channels than the network takes.
    """
    inputs = normalized_images(images, preprocess or Preprocess())
    return permute_channels(network, channel_permutations(network, inputs, seed, progress))
