"""Grad-CAM of one class, computed by Captum without a hook of Captum on the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from sge.analysis import GradCam
from sge.errors import CaptureError, ChoiceError, SGEError
from sge.lens.failures import failure
from sge.lens.labels import check_class
from sge.lens.passes import Passes
from sge.nn import edit_outputs


class _Tapped(nn.Module):
    """A network whose layer's output passes through a module of its own, which is all that Captum hooks."""

    def __init__(self, passes: Passes, view: nn.Module, layer: str, target: int) -> None:
        super().__init__()
        self.passes = passes
        self.network = view
        self.layer, self.target = layer, target
        self.tap = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        with edit_outputs(self.network, {self.layer: self._through}) as calls:
            logits = self.passes.logits(self.network, x, 1)
        check_class(self.target, logits.shape[1])
        if not calls[self.layer]:
            raise CaptureError(f"The forward pass does not call {self.layer}. Choose a layer that it uses.")
        return logits

    def _through(self, output: Any) -> Tensor:
        if not isinstance(output, Tensor) or output.dim() != 4:
            raise ChoiceError(
                f"Grad-CAM needs a layer with a map (N, C, h, w), which {self.layer} has not. Choose another layer."
            )
        # A new leaf: the backward pass ends here, also with frozen parameters.
        mapped: Tensor = self.tap(output.detach().requires_grad_())
        return mapped.clone()  # A later layer may work in place.


def grad_cam(passes: Passes, image: Tensor, target: int, layer: str | None) -> GradCam:
    """Grad-CAM with negative values set to 0.

    Args:
        passes: Of the network.
        image: (1, 3, h, w) from ``passes.batch``.
        target: Number of the class.
        layer: Path of a module; None for the last one with a spatial map.

    Raises:
        UnknownBlockError: the network has no module of that path.
        CaptureError: the pass does not call the module.
        ChoiceError: the module's output is no map, or the logits do not depend on it.
    """
    from captum.attr import (
        LayerGradCam,  # Importing it takes a second, and most uses of a lens need no Grad-CAM.
    )

    path = layer if layer is not None else last_map(passes, image)
    with passes.gradients() as view:
        tapped = _Tapped(passes, view, path, target)
        tapped.training = False
        try:
            found = LayerGradCam(tapped, tapped.tap).attribute(image.clone(), target, relu_attributions=True)
        except RuntimeError as error:
            if isinstance(error, SGEError):
                raise
            if "not have been used" in str(error) or "does not require grad" in str(error):
                raise ChoiceError(f"The logits do not depend on {path}. Choose another layer.") from error
            raise failure(view, image, error) from error
    weighted = found[0, 0].detach().float().cpu()
    passes.check_finite({f"the Grad-CAM of {path}": weighted})
    return GradCam(weighted.numpy(), path)


def last_map(passes: Passes, image: Tensor) -> str:
    """Path of the last module to finish whose output is (N, C, h, w) with a map of more than one cell.

    Raises:
        CaptureError: there is none, or the network does not call hooks.
    """
    if _key(image) not in passes.found:
        with passes.inference() as view, noted_maps(passes, view, image):
            passes.run(view, image)
    if (path := passes.found.get(_key(image))) is None:
        raise CaptureError(
            f"{type(passes.network).__name__} has no module that outputs a map of more than one cell for this image. "
            "Give a layer, or a larger size."
        )
    return str(path)


@contextmanager
def noted_maps(passes: Passes, view: nn.Module, image: Tensor) -> Iterator[None]:
    """Context manager in which a forward pass of ``image`` through a view tells ``last_map`` its answer."""
    if _key(image) in passes.found:
        yield
        return

    def note(path: str, output: Any) -> Any:
        if isinstance(output, Tensor) and output.dim() == 4 and output.shape[2] * output.shape[3] > 1:
            last.append(path)
        return output

    last: list[str] = []
    paths = [path for path, _ in view.named_modules() if path]
    with edit_outputs(view, {path: partial(note, path) for path in paths}):
        yield
    if last:
        passes.found[_key(image)] = last[-1]


def _key(image: Tensor) -> tuple[object, ...]:
    return ("last map", *image.shape[2:])
