"""Logits of a model's network as it stands, for measurements over sets of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sge.models import Model


def network_logits(
    model: Model, device: torch.device, precision: str = "float32"
) -> Callable[[Tensor], Tensor]:
    """A function that runs a model's network as it stands, with its mode, hooks and edits.

    A ``Lens`` runs a view in eval mode instead. What the network returns is read by the model's adapter, as a lens does.

    Args:
        model: Its network is moved to the device.
        device: Where it runs.
        precision: Of autocast.

    Returns:
        Images, (N, channels, h, w), to logits, (N, classes), float32, without gradients. It raises UnsupportedNetworkError
        if the network cannot be run or gives no logits, and ChoiceError if the number of labels is another one.
    """
    import torch

    from sge.devices import autocast
    from sge.lens.adapters import find_adapter
    from sge.lens.labels import check_labels
    from sge.lens.passes import Passes

    labels = model.labels
    adapter = find_adapter(model.adapter, None if labels is None else len(labels))
    passes = Passes(model.network.to(device), device, precision, adapter=adapter)

    def logits(images: Tensor) -> Tensor:
        batch = images.to(device, passes.dtype)
        with torch.no_grad(), autocast(device, precision):
            found = passes.logits(passes.network, batch, len(images)).float()
        if labels is not None:
            check_labels(labels, found.shape[1])
        return found

    return logits
