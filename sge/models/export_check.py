"""Compares an exported file with the network that it was made from, on images that are smooth as photos are.

Logits must agree to a fraction of their largest value (``differences.py``). Maps have no fixed tolerance: the
similarity divides by a map's standard deviation, so that a map that is nearly constant shows the rounding of the layers
before it, enlarged, with every program; also in the logits. A larger difference is accepted only if it is rounding and
nothing else. The graph and the network must then agree in double precision, where rounding is a billion times smaller,
and what ONNX Runtime gives may be ``ROUNDING`` times as far from that as torch in single precision is. The first rule
tells a wrong graph whose error is no larger than the rounding, the second a wrong program.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sge.arrays import Array
from sge.errors import CheckpointError, SGEError, UnsupportedNetworkError
from sge.models.differences import distance, tolerance
from sge.models.onnx_double import DoubleGraph
from sge.models.onnx_graph import FLAT, KEEP
from sge.models.onnx_trial import MULTIPLE, Session
from sge.models.part_reader import PartReader
from sge.models.results import named_results
from sge.models.smooth_images import scale_for, smooth_image
from sge.nn import Capture, edit_masks, sge_blocks
from sge.parts import Detector

ROUNDING = 10
REPEATS = 8
"""Runs of a network that draws random numbers, which tell whether its outputs depend on them."""
SIZE_ADVICE = (
    "Export it for one size, export_onnx(model, path, size=...), if it takes no other or computes with it. Otherwise use "
    "it with PyTorch."
)
SHAPES = ((1, 4, 5), (3, 3, 2), (2, 7, 7))
"""Rows, and height and width in multiples of ``MULTIPLE``."""
ODD = (1, 75, 106)
"""Rows, height and width of the image that tells whether sides must be multiples."""


@dataclass(frozen=True)
class Exactly:
    """One pass in double precision."""

    network: dict[str, Array]
    """What the network gives, by the names of the file's outputs."""
    graph: dict[str, Array]
    """What the file's graph gives."""


class Comparison:
    """Differences between an exported file and its network.

    Args:
        network: In single precision, on the CPU.
        content: Of the file.
        name: Of the model, for sentences.
        channels: Of the input.
        classes: Number of labels; None without labels.
        size: Height and width of the only images that the file takes; None for any.
        detectors: Of parts, whose maps the file gives.
    """

    def __init__(
        self,
        network: nn.Module,
        content: bytes,
        name: str,
        channels: int,
        classes: int | None = None,
        size: tuple[int, int] | None = None,
        detectors: Mapping[str, Detector] | None = None,
    ) -> None:
        self._network = network
        self._content = content
        self._session = Session(content, name)
        self._name = name
        self._channels = channels
        self._classes = classes
        self._size = size
        self._reader = PartReader(detectors or {})
        self._double: nn.Module | None = None
        self._graph: DoubleGraph | None = None
        self.found: dict[str, float] = {}
        """Output to its largest difference so far, absolute; those of logits and other results are relative."""

    def on_shapes(self) -> None:
        """Compares all outputs on images of several shapes.

        Raises:
            UnsupportedNetworkError: An output differs by more than rounding can explain.
        """
        for seed, (rows, height, width) in enumerate(SHAPES):
            self._on(self._image(rows, height, width, seed))

    def _image(self, rows: int, height: int, width: int, seed: int) -> Tensor:
        unit = MULTIPLE * self._scale
        return smooth_image((rows, self._channels, *(self._size or (height * unit, width * unit))), seed)

    @cached_property
    def _scale(self) -> int:
        return 1 if self._size else scale_for(self._network, self._channels)

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
        expected = self._expected(image)
        if not self.found:
            self._check_repeatable(image, expected)
        found = self._run(image)

        @cache
        def exactly(row: int) -> Exactly:
            return self._exactly(image[row : row + 1], {}, self._outputs)

        for output, values in expected.items():
            if found[output].shape != values.shape:
                raise self._differs(output, f"has shape {found[output].shape} in place of {values.shape}")
            difference = self._compared(output, found[output], values, exactly)
            self.found[output] = max(self.found.get(output, 0.0), difference)

    def _check_repeatable(self, image: Tensor, expected: dict[str, Array]) -> None:
        """Runs the network again, and several times if it draws random numbers: two draws may agree by chance.

        Raises:
            UnsupportedNetworkError: An output differs between the runs.
        """
        state = torch.get_rng_state()
        for run in range(REPEATS):
            for output, values in self._expected(image).items():
                first = expected[output]
                if values.shape != first.shape or distance(values, first, output) > tolerance(output):
                    raise UnsupportedNetworkError(
                        f"{self._name} cannot be exported: it gives other numbers each time for one image ({output}), so "
                        "that it cannot be compared. Remove what is random in its forward pass, such as dropout in eval "
                        "mode."
                    )
            if run == 0 and torch.equal(state, torch.get_rng_state()):
                return

    def _expected(self, image: Tensor) -> dict[str, Array]:
        try:
            return self._outputs(self._network, image)
        except SGEError:
            raise
        except Exception as error:  # A foreign forward may raise anything.
            raise UnsupportedNetworkError(
                f"{self._name} cannot be exported: it fails on an image of {image.shape[3]} x {image.shape[2]} pixels "
                f"({type(error).__name__}). {SIZE_ADVICE}"
            ) from error

    def _run(self, image: Tensor) -> dict[str, Array]:
        try:
            return self._session.run(image.numpy())
        except CheckpointError as error:
            raise UnsupportedNetworkError(
                f"{self._name} cannot be exported: PyTorch runs it on an image of {image.shape[3]} x {image.shape[2]} "
                f"pixels, and ONNX Runtime not. {SIZE_ADVICE}"
            ) from error

    def _compared(
        self, output: str, found: Array, expected: Array, exactly: Callable[[int], Exactly]
    ) -> float:
        """Largest difference, relative for logits and other results.

        Args:
            output: Its name.
            found: By ONNX Runtime.
            expected: By torch.
            exactly: Computes both for one row in double precision, where that is needed.

        Raises:
            UnsupportedNetworkError: It is more than rounding.
        """
        allowed = tolerance(output)
        difference, row = max(
            (distance(found[row : row + 1], expected[row : row + 1], output), row)
            for row in range(len(expected))
        )
        if not difference <= allowed:
            exact = exactly(row)
            found, expected = found[row : row + 1], expected[row : row + 1]
            beyond = distance(exact.graph[output], exact.network[output], output)
            if not beyond <= allowed:
                raise self._differs(
                    output, f"differs by {difference:.1e}, in double precision by {beyond:.1e}"
                )
            rounding = distance(expected, exact.network[output], output)
            if not distance(found, exact.network[output], output) <= ROUNDING * rounding + allowed:
                raise self._differs(
                    output, f"differs by {difference:.1e}, and rounding explains {rounding:.1e}"
                )
        return difference

    def _exactly(
        self, image: Tensor, edits: dict[str, Array], outputs: Callable[[nn.Module, Tensor], dict[str, Array]]
    ) -> Exactly:
        """Network and graph in double precision.

        Raises:
            UnsupportedNetworkError: One of them cannot be run so.
        """
        try:
            if self._double is None:
                self._double = copy.deepcopy(self._network).double()
                self._graph = DoubleGraph(self._content)
            assert self._graph is not None
            return Exactly(outputs(self._double, image.double()), self._graph.run(image.numpy(), edits))
        except SGEError:
            raise
        except Exception as error:  # The network's own code, or an operator that the evaluator does not know.
            raise UnsupportedNetworkError(
                f"{self._name} cannot be exported: ONNX Runtime and PyTorch differ, and double precision, which would tell "
                f"whether that is rounding, cannot be computed ({type(error).__name__}). Use the model with PyTorch."
            ) from error

    def edits(self) -> None:
        """Compares the logits where masks are kept, removed, and flattened by the inputs for edits.

        Raises:
            UnsupportedNetworkError: They differ by more than rounding.
        """
        image = self._image(1, 2, 3, 9).expand(3, -1, -1, -1).contiguous()
        blocks = sge_blocks(self._network)
        for block in dict.fromkeys((*list(blocks)[:1], *list(blocks)[-1:])):
            groups = blocks[block].groups
            keep, flat = np.ones((3, groups), np.float32), np.zeros((3, groups), np.float32)
            keep[1, : -(-groups // 2)] = 0
            keep[2], flat[2] = 0, 1
            inputs = {f"{KEEP}{block}": keep, f"{FLAT}{block}": flat}
            found = self._session.run(image.numpy(), inputs)

            for output, expected in self._edited(block, keep, flat)(self._network, image).items():
                self._compared(
                    output, found[output], expected, partial(self._exactly_edited, image, block, inputs)
                )

    def _exactly_edited(self, image: Tensor, block: str, inputs: dict[str, Array], row: int) -> Exactly:
        row_inputs = {name: values[row : row + 1] for name, values in inputs.items()}
        return self._exactly(image[row : row + 1], row_inputs, self._edited(block, *row_inputs.values()))

    def _edited(
        self, block: str, keep: Array, flat: Array
    ) -> Callable[[nn.Module, Tensor], dict[str, Array]]:
        def results(network: nn.Module, image: Tensor) -> dict[str, Array]:
            with torch.no_grad(), edit_masks(network, {block: _edit(keep, flat)}):
                return self._results(network(image))

        return results

    def _outputs(self, network: nn.Module, image: Tensor) -> dict[str, Array]:
        with torch.no_grad(), Capture(network, energy=True, reads=self._reader.reads) as seen:
            results = self._results(network(image))
            parts = self._reader.maps(seen.similarity, seen.reads)
        recorded: dict[str, Any] = {"similarity": seen.similarity, "mask": seen.masks, "energy": seen.energy}
        maps = {
            f"{kind}/{name}": values.numpy()
            for kind, by_name in recorded.items()
            for name, values in by_name.items()
        }
        return results | maps | {name: values.numpy() for name, values in parts.items()}

    def _results(self, output: Any) -> dict[str, Array]:
        return {name: _array(one) for name, one in named_results(output, self._classes).items()}

    def _differs(self, output: str, how: str) -> UnsupportedNetworkError:
        return UnsupportedNetworkError(
            f"{self._name} cannot be exported: what ONNX Runtime computes is not what PyTorch does ({output} {how}). "
            f"{SIZE_ADVICE}"
        )


def _array(values: Tensor) -> Array:
    """As an array; NumPy has no bfloat16."""
    array: Array = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return array


def _edit(keep: Array, flat: Array) -> Callable[[Tensor], Tensor]:
    kept, flattened = (torch.from_numpy(values)[:, :, None, None] for values in (keep, flat))
    return lambda mask: kept * mask + flattened * mask.mean((2, 3), keepdim=True)
