"""Compares an exported file with the network that it was made from, on images that are smooth as photos are.

Logits must agree to ``LOGITS`` of their largest value. Maps have no fixed tolerance: the similarity divides by a map's
standard deviation, so that a map that is nearly constant shows the rounding of the layers before it, enlarged, with every
program. An exported file may be ``ROUNDING`` times as far from a pass in double precision as torch in single precision is,
and ``MAPS`` beyond that. Where the logits' rounding is enlarged in the same way, the same rule holds for them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from sge.arrays import Array
from sge.errors import UnsupportedNetworkError
from sge.models.onnx_graph import FLAT, KEEP
from sge.models.onnx_trial import MULTIPLE, Session
from sge.nn import MaskCapture, edit_masks, eval_view, sge_blocks

LOGITS = 1e-4
"""Largest difference of logits, relative to the largest logit of the pass."""
MAPS = 1e-3
"""Largest difference of maps and energies where rounding is not enlarged; a similarity has standard deviation 1."""
ROUNDING = 10
SHAPES = ((1, 4, 5), (3, 3, 2), (2, 7, 7))
"""Rows, and height and width in multiples of ``MULTIPLE``."""
ODD = (1, 75, 106)
"""Rows, height and width of the image that tells whether sides must be multiples."""


def smooth_image(shape: tuple[int, int, int, int], seed: int) -> Tensor:
    """A normalized image in which coarse patterns are stronger than fine ones, with mean 0 and standard deviation 1."""
    random = torch.Generator().manual_seed(seed)
    image = torch.zeros(shape)
    for octave in (1, 2, 4, 8, 16):
        sides = [max(2, side * octave // 64) for side in shape[2:]]
        layer = torch.randn((*shape[:2], *sides), generator=random)
        image += interpolate(layer, shape[2:], mode="bilinear") / octave
    return (image - image.mean()) / image.std()


class Comparison:
    """Differences between an exported file and its network.

    Args:
        network: In single precision, on the CPU.
        session: Runs the file.
        name: Of the model, for sentences.
        channels: Of the input.
    """

    def __init__(self, network: nn.Module, session: Session, name: str, channels: int) -> None:
        self._network = network
        self._session = session
        self._name = name
        self._channels = channels
        self._double: nn.Module | None = None
        self.found: dict[str, float] = {}
        """Output to its largest difference so far, absolute; that of the logits is relative."""

    def on_shapes(self) -> None:
        """Compares all outputs on images of several shapes.

        Raises:
            UnsupportedNetworkError: An output differs by more than rounding can explain.
        """
        for seed, (rows, height, width) in enumerate(SHAPES):
            self._on(smooth_image((rows, self._channels, height * MULTIPLE, width * MULTIPLE), seed))

    def multiple(self) -> int:
        """1 if the file agrees on an image with sides of any size; otherwise the number that must divide them."""
        kept = dict(self.found)
        try:
            self._on(smooth_image((ODD[0], self._channels, *ODD[1:]), len(SHAPES)))
        except Exception:  # A network may raise anything where it does not take a size.
            self.found = kept
            return MULTIPLE
        return 1

    def _on(self, image: Tensor) -> None:
        expected = _outputs(self._network, image)
        found = self._session.run(image.numpy())
        exact: dict[str, Array] = {}
        for output, values in expected.items():
            if found[output].shape != values.shape:
                raise self._differs(output, f"has shape {found[output].shape} in place of {values.shape}")

            def exactly(output: str = output) -> Array:
                if not exact:
                    exact.update(_outputs(self._in_double(), image.double()))
                return exact[output]

            difference = self._compared(output, found[output], values, exactly)
            self.found[output] = max(self.found.get(output, 0.0), difference)

    def _compared(self, output: str, found: Array, expected: Array, exactly: Callable[[], Array]) -> float:
        """Largest difference, relative for logits.

        Args:
            output: Its name, with more words for a sentence.
            found: By ONNX Runtime.
            expected: By torch.
            exactly: Computes it in double precision, where that is needed.

        Raises:
            UnsupportedNetworkError: It is more than rounding can explain.
        """
        is_logits = output.startswith("logits")
        scale = float(np.abs(expected).max()) or 1.0 if is_logits else 1.0
        tolerance = LOGITS if is_logits else MAPS
        difference = _distance(found, expected) / scale
        if not difference <= tolerance:
            exact = exactly()
            rounding = _distance(expected, exact) / scale
            if not _distance(found, exact) / scale <= ROUNDING * rounding + tolerance:
                raise self._differs(
                    output, f"differs by {difference:.1e}, and rounding explains {rounding:.1e}"
                )
        return difference

    def _in_double(self) -> nn.Module:
        if self._double is None:
            self._double = copy.deepcopy(self._network).double()
        return self._double

    def edits(self) -> None:
        """Compares the logits where masks are kept, removed, and flattened by the inputs for edits.

        Raises:
            UnsupportedNetworkError: They differ by more than rounding.
        """
        image = (
            smooth_image((1, self._channels, 2 * MULTIPLE, 3 * MULTIPLE), 9)
            .expand(3, -1, -1, -1)
            .contiguous()
        )
        blocks = sge_blocks(self._network)
        for block in dict.fromkeys((*list(blocks)[:1], *list(blocks)[-1:])):
            groups = blocks[block].groups
            keep, flat = np.ones((3, groups), np.float32), np.zeros((3, groups), np.float32)
            keep[1, : -(-groups // 2)] = 0
            keep[2], flat[2] = 0, 1
            found = self._session.run(image.numpy(), {f"{KEEP}{block}": keep, f"{FLAT}{block}": flat})[
                "logits"
            ]

            def edited(
                network: nn.Module, block: str = block, keep: Array = keep, flat: Array = flat
            ) -> Array:
                like = next(network.parameters())
                with torch.no_grad(), edit_masks(network, {block: _edit(keep, flat)}):
                    logits: Tensor = network(image.to(like.dtype))
                return logits.numpy()

            self._compared(
                f"logits with edits of {block}",
                found,
                edited(self._network),
                lambda: edited(self._in_double()),
            )

    def _differs(self, output: str, how: str) -> UnsupportedNetworkError:
        return UnsupportedNetworkError(
            f"{self._name} cannot be exported: what ONNX Runtime computes is not what PyTorch does ({output} {how}). Use "
            "the model with PyTorch, and report the network."
        )


def _edit(keep: Array, flat: Array) -> Callable[[Tensor], Tensor]:
    kept, flattened = (torch.from_numpy(values)[:, :, None, None] for values in (keep, flat))
    return lambda mask: kept * mask + flattened * mask.mean((2, 3), keepdim=True)


def _outputs(network: nn.Module, image: Tensor) -> dict[str, Array]:
    with torch.no_grad(), MaskCapture(network, energy=True) as seen:
        logits = network(image)
    recorded: dict[str, Any] = {"similarity": seen.similarity, "mask": seen.masks, "energy": seen.energy}
    maps = {
        f"{kind}/{name}": values for kind, by_name in recorded.items() for name, values in by_name.items()
    }
    return {name: values.numpy() for name, values in ({"logits": logits} | maps).items()}


def _distance(a: Array, b: Array) -> float:
    return float(np.abs(a.astype(np.float64) - b).max(initial=0.0))


def in_single_precision(network: nn.Module) -> nn.Module:
    """The network in eval mode on the CPU with float32 parameters; a copy only where it has others."""
    view = eval_view(network)
    values = [*view.parameters(), *view.buffers()]
    if any(
        value.device.type != "cpu" or value.dtype in (torch.half, torch.bfloat16, torch.double)
        for value in values
    ):
        return copy.deepcopy(view).to("cpu", torch.float32)
    return view
