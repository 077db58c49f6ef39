"""Which outputs of modules are feature maps, and which of them a message proposes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sge.nn.capture import Capture
from sge.nn.insertion.example import example_shape
from sge.nn.modes import eval_mode

MAX_PROPOSED = 4
"""Number of modules that are proposed: of the smallest maps, which are the deepest."""


def not_a_map(shape: tuple[int, ...], image: tuple[int, ...]) -> str | None:
    """Why the output of a module for one image is no feature map (N, C, H, W); None if it is one.

    Args:
        shape: Of the output.
        image: Channels, height and width of the image.
    """
    if len(shape) != 4:
        return "SGE needs a feature map (N, C, H, W)"
    if shape[0] != 1:
        return (
            f"{shape[0]} rows for one image; SGE needs a feature map (N, C, H, W) with one row for each image"
        )
    if image[1] == image[2] and shape[1] == shape[2] != shape[3]:
        return "the channels come last; SGE needs a feature map (N, C, H, W)"
    return None


def proposed_modules(network: nn.Module) -> list[str]:
    """Paths of modules after which SGE makes sense: of each size of maps the last of the outermost modules.

    Args:
        network: It is run twice on an image of zeros, and not changed.

    Returns:
        At most ``MAX_PROPOSED`` paths in the order of the network; none if it cannot be run or has no feature maps.
    """
    try:
        shapes = _shapes(network)
    except Exception:  # A foreign forward may raise anything; then nothing is proposed.
        return []
    image = example_shape(network)
    chosen: dict[tuple[int, ...], str] = {}
    for path, shape in shapes.items():
        if not_a_map(shape, image) is not None or shape[1] < 2 or shape[2] * shape[3] < 4:
            continue
        before = chosen.get(shape[2:])
        if before is None or path.count(".") <= before.count("."):
            chosen[shape[2:]] = path
    depth = min((path.count(".") for path in chosen.values()), default=0) + 1
    sizes = [size for size, path in chosen.items() if path.count(".") <= depth]
    proposed = {chosen[size] for size in sorted(sizes, key=lambda size: size[0] * size[1])[:MAX_PROPOSED]}
    return [path for path in shapes if path in proposed]


def _shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """Path to the shape of the output of each module with parameters that runs once in a pass and returns a tensor."""
    # Of a container that iterates over its children with a forward of its own SGE would be one of them.
    paths = [
        path
        for path, module in network.named_modules()
        if path
        and next(module.parameters(), None) is not None
        and (not isinstance(module, nn.Sequential) or type(module).forward is nn.Sequential.forward)
    ]
    once = [path for path, count in _passed(network, paths).calls.items() if count == 1]
    outputs = _passed(network, once).outputs
    return {path: tuple(one.shape) for path, one in outputs.items() if isinstance(one, Tensor)}


def _passed(network: nn.Module, paths: list[str]) -> Capture:
    like = next(network.parameters())
    image = torch.zeros(1, *example_shape(network), device=like.device, dtype=like.dtype)
    reading = Capture(network, (), outputs=paths, reduce=lambda values: values.to("meta"))
    with eval_mode(network), torch.no_grad(), reading as seen:
        network(image)
    return seen
