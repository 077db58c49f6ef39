"""Forward passes in torch: a batch of images to logits, on one device and in one precision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sge.arrays import Array
from sge.devices import autocast
from sge.errors import ChoiceError, SGEError, UnsupportedNetworkError
from sge.lens.adapters import find_adapter
from sge.lens.adapters.logits import described
from sge.lens.backends.host import to_device
from sge.lens.failures import MAX_QUOTED, check_output, failure, no_logits, not_finite
from sge.nn import Adapter, FoldedViews, Output, eval_view


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
    adapter: Adapter = field(default_factory=lambda: find_adapter("logits", None))
    """Reads what the network returns."""

    def batch(self, images: Array) -> Tensor:
        """Images on the device, in the dtype of the network's first layer.

        Args:
            images: (N, channels, h, w), float32.

        Raises:
            ChoiceError: the network was moved to another device.
        """
        first = self._first_weights()
        if first.numel() and first.device != self.device and first.device.type != self.device.type:
            raise ChoiceError(
                f"The network was moved to {first.device} after this Lens was made for {self.device}. Make another Lens."
            )
        return to_device(images, self.device, first.dtype)

    @property
    def dtype(self) -> torch.dtype:
        """Of the network's first layer."""
        return self._first_weights().dtype

    def _first_weights(self) -> Tensor:
        """Those of the first layer, or an empty tensor."""
        parameters = [one for one in self.network.parameters() if one.is_floating_point()]
        return next(
            (one for one in parameters if one.dim() > 1), parameters[0] if parameters else torch.empty(0)
        )

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

    def run(self, view: nn.Module, batch: Tensor) -> Any:
        """What a view of the network returns for a batch.

        Args:
            view: From ``inference`` or ``gradients``.
            batch: From ``batch``.

        Raises:
            UnsupportedNetworkError: the network cannot be run.
            ChoiceError: the memory does not suffice.
        """
        try:
            return view(batch.clone())  # A forward may work in place on its input.
        except SGEError:
            raise
        except Exception as error:  # A foreign forward may raise anything.
            raise failure(view, batch, error) from error

    def output(self, view: nn.Module, batch: Tensor, rows: int | None = None) -> Output:
        """Logits or boxes of a batch, as the adapter reads them; args as ``logits``.

        Raises:
            UnsupportedNetworkError: the network cannot be run, or the adapter does not read what it returns.
            ChoiceError: the memory does not suffice.
        """
        return self._read(view, self.run(view, batch), batch, rows)

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
        returned = self.run(view, batch)
        output = self._read(view, returned, batch, rows)
        if output.logits is None:
            raise no_logits(view, returned, output.note)
        return output.logits

    def _read(self, view: nn.Module, returned: Any, batch: Tensor, rows: int | None) -> Output:
        try:
            output = self.adapter(returned, tuple(batch.shape))
        except SGEError:
            raise
        except Exception as error:  # An adapter of the user may raise anything.
            quoted = f"{type(error).__name__}: {error}".split("\n")[0][:MAX_QUOTED]
            raise UnsupportedNetworkError(
                f"The adapter of {type(view).__name__} fails on {described(returned)} ({quoted}). Mend it, or give the "
                "Model another one."
            ) from error
        return check_output(view, output, rows)

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
