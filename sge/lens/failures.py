"""Sentences for networks that cannot be run, or that give numbers that cannot be used."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from sge.errors import ChoiceError, NonFiniteError, SGEError, UnsupportedNetworkError
from sge.lens.adapters.logits import described, is_logits
from sge.nn import Output

_ADVICE = (
    "A Lens measures effects on logits, one row of numbers for each image: wrap the network in a module that returns them, "
    "or give the Model an adapter."
)
MAX_QUOTED = 200
"""Number of characters of a network's own error that a message quotes."""


def check_usable(network: nn.Module) -> None:
    """Checks that the network has values to compute with.

    Raises:
        UnsupportedNetworkError: its tensors are on the meta device, or a lazy module does not know its shape yet.
    """
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if is_lazy(tensor):
            raise UnsupportedNetworkError(
                f"{name} of {type(network).__name__} has no shape yet, because its module is lazy. Call the network "
                "once before."
            )
        if tensor.is_meta:
            raise UnsupportedNetworkError(
                f"{name} of {type(network).__name__} has no values, because it is on the meta device. Load weights "
                "with load_state_dict(..., assign=True), or build the network on another device."
            )


def check_output(network: nn.Module, output: object, rows: int | None = None) -> Output:
    """What an adapter read, if logits and boxes have their shapes.

    Args:
        network: The network.
        output: What the adapter returned.
        rows: Number of images; None to allow any.

    Raises:
        UnsupportedNetworkError: no ``Output``; logits that are no floating tensor (N, classes) with one class or more; or
            boxes that are not one floating tensor (K, 6) for each image.
    """
    name = type(network).__name__
    if not isinstance(output, Output):
        raise UnsupportedNetworkError(
            f"The adapter of {name} returns a {type(output).__name__}. It must return a sge.lens.adapters.Output."
        )
    logits = output.logits
    if logits is not None and (not is_logits(logits) or len(logits) != (rows or len(logits))):
        images = "" if rows is None else f" for {rows} {'image' if rows == 1 else 'images'}"
        raise UnsupportedNetworkError(f"{name} returns {described(logits)}{images}. {_ADVICE}")
    if output.boxes is None:
        return output
    count = None if not isinstance(output.boxes, list | tuple) else len(output.boxes)
    fit = count is not None and all(_are_boxes(one) for one in output.boxes)
    if not fit or (rows is not None and count != rows):
        raise UnsupportedNetworkError(
            f"The boxes of {name} are no list of floating tensors (K, 6), one for each image: left, top, right, bottom, "
            "score and class. Mend its adapter."
        )
    return output


def _are_boxes(value: object) -> bool:
    return (
        isinstance(value, Tensor) and value.dim() == 2 and value.shape[1] == 6 and value.is_floating_point()
    )


def no_logits(network: nn.Module, output: object, note: str) -> UnsupportedNetworkError:
    """The error for what needs logits, of a network that gives none.

    Args:
        network: The network.
        output: What it returned.
        note: Of ``Output``.
    """
    reason = note if note else f"It returns {described(output)}, which is read as boxes."
    return UnsupportedNetworkError(
        f"{type(network).__name__} gives no logits, so that no effect on a class can be measured. {reason} {_ADVICE}"
    )


def failure(network: nn.Module, batch: Tensor, error: Exception) -> SGEError:
    """The error to raise in place of one that the network's forward pass raised.

    Args:
        network: The network.
        batch: Its input.
        error: What it raised.
    """
    name, shape = type(network).__name__, tuple(batch.shape)
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return ChoiceError(
            f"The memory of {batch.device} does not suffice for an input of shape {shape}. Choose a smaller size, or fewer "
            "images at once."
        )
    if "modified by an inplace operation" in str(error):
        return UnsupportedNetworkError(
            f"Values of {name} were changed in place between the forward and the backward pass: by its own forward, or by a "
            "training in another thread. Mend the forward, or give the Lens a copy (copy.deepcopy) of a network in training."
        )
    if (sentence := _other_channels(network, batch)) is not None:
        return UnsupportedNetworkError(sentence)
    dtypes: dict[torch.dtype, str] = {}
    for path, parameter in network.named_parameters():
        if parameter.is_floating_point():
            dtypes.setdefault(parameter.dtype, path)
    if len(dtypes) > 1:
        listed = " and ".join(f"{path} is {_name_of(dtype)}" for dtype, path in dtypes.items())
        return UnsupportedNetworkError(
            f"{name} cannot compute with parameters of several types: {listed}. Convert it to one, such as network.float()."
        )
    quoted = f"{type(error).__name__}: {error}".split("\n")[0][:MAX_QUOTED]
    return UnsupportedNetworkError(
        f"{name} cannot be run on an input of shape {shape} in {_name_of(batch.dtype)} on {batch.device.type} ({quoted}). "
        "Choose another size or framing, state the only size that it takes (Preprocess(fixed=(height, width))), convert the "
        "network with network.float(), or mend its forward."
    )


def no_gradient(network: nn.Module, blocks: list[str]) -> UnsupportedNetworkError:
    """The error for logits without a gradient with respect to the masks of some blocks."""
    return UnsupportedNetworkError(
        f"The logits of {type(network).__name__} have no gradient with respect to the masks of {', '.join(blocks)}; its "
        "forward may use torch.no_grad or detach. Choose other blocks, or measure the effect of groups with ablate."
    )


def not_finite(network: nn.Module, where: str, precision: str) -> NonFiniteError:
    """The error for results that are infinite or not a number.

    Args:
        network: The network.
        where: What is not finite, in words.
        precision: Of the lens.
    """
    tensors = (*network.named_parameters(), *network.named_buffers())
    broken = next((name for name, one in tensors if not bool(torch.isfinite(one.detach()).all())), None)
    halves = any(one.dtype in (torch.float16, torch.bfloat16) for _, one in tensors)
    if broken is not None:
        advice = f"{broken} has such numbers itself: load other weights."
    elif halves or precision != "float32":
        advice = "Compute in single precision: network.float(), and Lens(model, precision='float32')."
    else:
        advice = "Check that the preprocessing and the weights belong together."
    return NonFiniteError(
        f"{type(network).__name__} gives numbers that are not finite (infinite or not a number) for this image, in {where}. "
        f"{advice}"
    )


def _other_channels(network: nn.Module, batch: Tensor) -> str | None:
    kinds = (nn.Conv2d, nn.LazyConv2d)
    first = next((module for module in network.modules() if isinstance(module, kinds)), None)
    if first is None or first.in_channels == batch.shape[1]:
        return None
    advice = {
        1: "Give the Model preprocess=Preprocess(mean=(0.449,), std=(0.226,)), with the network's own numbers, for gray.",
        3: "Give the Model a Preprocess with three numbers in mean and std, for RGB.",
    }.get(first.in_channels, "Images are read as RGB or gray: give a network for 3 channels or 1.")
    return (
        f"{type(network).__name__} takes {_counted(first.in_channels)}, and its preprocessing gives "
        f"{_counted(batch.shape[1])}. {advice}"
    )


def _counted(channels: int) -> str:
    return "1 channel" if channels == 1 else f"{channels} channels"


def _name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
