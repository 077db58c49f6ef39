"""What a weights file states beside its weights, checked against the network that it holds."""

from __future__ import annotations

from torch import nn

from sge.errors import CheckpointError, ChoiceError
from sge.images import Preprocess
from sge.models.card import Card
from sge.models.cards import read_card
from sge.models.checkpoint import Weights
from sge.models.wording import shown
from sge.nn import spatial_blocks

_CHANNELS = (1, 3)
"""Numbers of channels that an image can be given in: gray or RGB."""


def stated_card(weights: Weights) -> Card | None:
    """The card in a file; None if there is none.

    Raises:
        CheckpointError: It cannot be used.
    """
    if "sge.card" not in weights.metadata:
        return None
    try:
        return read_card(weights.metadata["sge.card"])
    except ChoiceError as error:
        raise CheckpointError(f"{shown(weights.path.name)}: {error}") from error


def source_of(weights: Weights) -> str:
    """The ``source`` of a card that says which file the weights are from."""
    return f"{shown(weights.path.name)}, sha256 {weights.sha256}"


def check_opening(card: Card, network: nn.Module, where: str) -> None:
    """Checks that the network has the block that a card opens with.

    Args:
        card: Its ``opens_with`` may be None.
        network: The network.
        where: The file's name.

    Raises:
        CheckpointError: It lacks the block.
    """
    block = (card.opens_with or {}).get("block")
    if block is not None and block not in spatial_blocks(network):
        raise CheckpointError(
            f"{where}: the card's opens_with names the block {shown(block)}, which the network lacks. Correct the card."
        )


def check_channels(preprocess: Preprocess, network: nn.Module, where: str) -> None:
    """Compares the channels of the preprocessing with those of the network's first convolution.

    Args:
        preprocess: The network's input.
        network: A network without convolutions fits every preprocessing.
        where: The file's name.

    Raises:
        CheckpointError: They differ, or no image can be given in them.
    """
    first = next((one for one in network.modules() if isinstance(one, nn.Conv2d)), None)
    if first is None or first.in_channels == preprocess.channels:
        return
    if first.in_channels not in _CHANNELS:
        raise CheckpointError(
            f"{where}: the network takes {first.in_channels} channels, and images have 1 or 3. Choose a network for gray or "
            "RGB images."
        )
    raise CheckpointError(
        f"{where}: the preprocessing is for {preprocess.channels} channels, the network takes {first.in_channels}. Give one "
        "mean and one std for each channel: --preprocess of sge models import, in Python preprocess=."
    )


def precision_notes(weights: Weights) -> list[str]:
    """The sentence on weights that are not stored as float32; none of a file that SGE Lens wrote, whose card has it."""
    stored = (
        {one.dtype for one in weights.state.values() if one.is_floating_point()} if not weights.digest else ()
    )
    dtypes = sorted({str(dtype).removeprefix("torch.") for dtype in stored} - {"float32"})
    return [f"Weights are stored as {', '.join(dtypes)} and computed as float32."] if dtypes else []
