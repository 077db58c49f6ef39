"""Which backend runs a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sge.errors import ChoiceError, UnsupportedBackendError, check_choice, check_whole
from sge.lens.backends.base import BACKENDS, EXPORTED, Backend
from sge.lens.backends.runtimes import find_runtime

if TYPE_CHECKING:
    from sge.models import ExportedModel, Model

AUTO = "auto"
TOLERANCE = 0.05
"""Largest difference of logits, as a fraction of the largest, that rounding explains also for a network in bfloat16."""


def make_backend(
    model: Model | ExportedModel,
    device: str = AUTO,
    precision: str = AUTO,
    backend: str = AUTO,
    threads: int | None = None,
    frozen: bool = False,
) -> Backend:
    """The backend of a lens; the arguments and errors are those of ``Lens``."""
    from sge.models import ExportedModel, Model

    check_choice("backend", backend, [AUTO, *BACKENDS])
    if threads is not None and check_whole("threads", threads) < 1:
        raise ChoiceError(f"threads is {threads}; choose 1 or more.")
    if isinstance(model, ExportedModel):
        return _exported_backend(model, device, precision, backend, threads)
    if not isinstance(model, Model):
        raise ChoiceError(
            f"A Lens needs a Model, and this is {type(model).__name__}. Load one with sge.load_model, or make one of a "
            "network: sge.Model('name', network, labels)."
        )
    if backend in EXPORTED:
        return _backend_of_export(model, device, precision, backend, threads, frozen)
    return _torch_backend(model, device, precision, threads, frozen)


def _exported_backend(
    model: ExportedModel, device: str, precision: str, backend: str, threads: int | None
) -> Backend:
    from sge.lens.backends.onnx_backend import OnnxBackend

    if backend == "torch":
        raise UnsupportedBackendError(
            f"{model.name} is an exported file, which torch does not run. Choose the backend {' or '.join(EXPORTED)}, or "
            "load the model that it was exported from."
        )
    name = EXPORTED[0] if backend == AUTO else backend
    return OnnxBackend(model, find_runtime(name, device, precision, threads))


def _backend_of_export(
    model: Model, device: str, precision: str, backend: str, threads: int | None, frozen: bool
) -> Backend:
    """A runtime of exported files for what it does, and torch in float32 for the rest."""
    from sge.lens.backends.onnx_backend import OnnxBackend
    from sge.lens.backends.unchanged import Unchanged
    from sge.models import exported_file

    runtime = find_runtime(backend, device, precision, threads)
    runtime.check()  # before the export, which takes long
    reference = _torch_backend(model, "cpu", "float32", None, frozen)
    unchanged = None if frozen else Unchanged(model.network)
    exported = OnnxBackend(exported_file(model), runtime, reference, unchanged)
    _check_same(model, exported, reference)
    return exported


def _check_same(model: Model, exported: Backend, reference: Backend) -> None:
    """Checks that a kept file is that of the network, and not of one with the same weights and another forward or hook.

    Raises:
        UnsupportedBackendError: it is not.
    """
    height, width = model.preprocess.fixed or (model.preprocess.size, model.preprocess.size)
    slopes = [np.linspace(-1, 1, side, dtype=np.float32) for side in (height, width)]
    image = np.broadcast_to(slopes[0][:, None] * slopes[1], (1, model.preprocess.channels, height, width))
    expected, found = reference.outputs(image).logits, exported.outputs(image).logits
    if expected is None or found is None:
        return  # Of a network without logits, the export itself has compared what it returns.
    if expected.shape != found.shape or np.abs(expected - found).max() > TOLERANCE * np.abs(expected).max():
        raise UnsupportedBackendError(
            f"The network of {model.name} computes other logits than the file that was exported from the same weights: its "
            "forward or its hooks differ. Choose the backend torch, or give the Model another name."
        )


def _torch_backend(model: Model, device: str, precision: str, threads: int | None, frozen: bool) -> Backend:
    from torch import nn  # Exported files need no torch, and so these imports are here.

    from sge.lens.adapters import find_adapter
    from sge.lens.backends.torch_backend import TorchBackend

    if isinstance(model.network, nn.Module):
        check_input(model)
    adapter = find_adapter(model.adapter, None if model.labels is None else len(model.labels))
    return TorchBackend(model.network, device, precision, threads, frozen, adapter)


def check_input(model: Model) -> None:
    """Checks that a detector which normalizes its images does not get normalized ones, and has a label for each class.

    Raises:
        ChoiceError: it would.
    """
    from sge.nn import object_classes, own_input

    own, given = own_input(model.network), model.preprocess
    if own is not None and own.normalizes and (any(given.mean) or any(std != 1 for std in given.std)):
        raise ChoiceError(
            f"{type(model.network).__name__} normalizes its images itself, and the model's preprocessing would normalize "
            f"them before. Give the Model preprocess=Preprocess.unnormalized({given.size}), or none."
        )
    classes, labels = object_classes(model.network), model.labels
    if classes is not None and labels is not None and len(labels) != classes:
        raise ChoiceError(
            f"{type(model.network).__name__} has {classes} classes with the background, which is class 0, and {len(labels)} "
            "labels are given. Give the Model a label for each class, that of the background first."
        )
