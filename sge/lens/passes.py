"""Forward passes in torch: a batch of images to logits, on one device and in one precision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from sge.arrays import Array
from sge.devices import autocast
from sge.errors import ChoiceError, SGEError
from sge.lens.backends.host import to_device
from sge.lens.failures import check_logits, failure, not_finite
from sge.nn import FoldedViews, eval_view


@dataclass(frozen=True)
class Passes:
    """Runs views of a network in eval mode; several threads may do so, also while others train the network."""

    network: nn.Module
    device: torch.device
    precision: str
    found: dict[object, object] = field(default_factory=dict)
    """What was found out about the network by trying, such as the last layer with a map."""
    folded: FoldedViews | None = None
    """Views that passes without gradients use, if nobody changes the network; None if somebody may."""

    def batch(self, images: Array) -> Tensor:
        """Images on the device, in the dtype of the network's first layer.

        Args:
            images: (N, channels, h, w), float32.

        Raises:
            ChoiceError: the network was moved to another device.
        """
        parameters = [one for one in self.network.parameters() if one.is_floating_point()]
        first = next(
            (one for one in parameters if one.dim() > 1), parameters[0] if parameters else torch.empty(0)
        )
        if parameters and first.device != self.device and first.device.type != self.device.type:
            raise ChoiceError(
                f"The network was moved to {first.device} after this Lens was made for {self.device}. Make another Lens."
            )
        return to_device(images, self.device, first.dtype)

    @contextmanager
    def inference(self) -> Iterator[nn.Module]:
        """Context manager that gives a view of the network, for passes without gradients."""
        with torch.no_grad(), autocast(self.device, self.precision):
            if self.folded is None:
                yield eval_view(self.network)
            else:
                with self.folded.view() as view:
                    yield view

    @contextmanager
    def gradients(self) -> Iterator[nn.Module]:
        """Context manager that gives a view, for passes with gradients, also inside ``torch.no_grad``."""
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            autocast(self.device, self.precision),
        ):
            yield eval_view(self.network)

    def logits(self, view: nn.Module, batch: Tensor, rows: int | None = None) -> Tensor:
        """Logits of a batch, (N, classes), from a view of the network.

        Args:
            view: From ``inference`` or ``gradients``.
            batch: From ``batch``.
            rows: Number of rows that the logits must have; None to allow any.

        Raises:
            UnsupportedNetworkError: the network cannot be run, or does not return logits.
            ChoiceError: the memory does not suffice.
        """
        try:
            output = view(batch.clone())  # A forward may work in place on its input.
        except SGEError:
            raise
        except Exception as error:  # A foreign forward may raise anything.
            raise failure(view, batch, error) from error
        return check_logits(view, output, rows)

    def check_finite(self, results: Mapping[str, Tensor | Array]) -> None:
        """Checks that every number is finite.

        Args:
            results: By what they are, in words.

        Raises:
            NonFiniteError: one is not.
        """
        for where, values in results.items():
            tensor = values if isinstance(values, Tensor) else torch.from_numpy(np.asarray(values))
            # A sum is finite only if every number is; the comparison of each one takes much longer.
            if not bool(torch.isfinite(tensor.sum())) and not bool(torch.isfinite(tensor).all()):
                raise not_finite(self.network, where, self.precision)
