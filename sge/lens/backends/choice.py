"""Which backend runs a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sge.errors import ChoiceError, check_choice
from sge.lens.backends.base import BACKENDS, Backend

if TYPE_CHECKING:
    from sge.models import Model

AUTO = "auto"


def make_backend(
    model: Model,
    device: str = AUTO,
    precision: str = AUTO,
    backend: str = AUTO,
    threads: int | None = None,
    frozen: bool = False,
) -> Backend:
    """The backend of a lens; the arguments and errors are those of ``Lens``."""
    check_choice("backend", backend, [AUTO, *BACKENDS])
    from sge.models import Model

    if not isinstance(model, Model):
        raise ChoiceError(
            f"A Lens needs a Model, and this is {type(model).__name__}. Load one with sge.load_model, or make one of a "
            "network: sge.Model('name', network, labels)."
        )
    from sge.lens.backends.torch_backend import TorchBackend  # Exported files need no torch.

    return TorchBackend(model.network, device, precision, frozen)
