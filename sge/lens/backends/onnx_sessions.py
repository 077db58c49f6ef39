"""Programs of one exported file in one runtime, made when they are first needed."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sge.arrays import Array
from sge.errors import CheckpointError, ChoiceError, NonFiniteError, UnsupportedNetworkError
from sge.lens.backends.kept_file import KeptFile
from sge.lens.backends.runtimes import Program, Runtime, is_out_of_memory, quoted

if TYPE_CHECKING:
    from sge.models import ExportedModel

PASS_PIXELS = 75_000
"""Input pixels of one pass; a larger batch is divided. A single image, or the ablations of one, may have more.

The features of one image of 224 px stay in the caches of a CPU, those of many do not. On one thread of ONNX Runtime, eight
images of 224 px take 0.84 of the CPU time of one pass when each has its own (EfficientNet-Lite0; ResNet-50 with SGE 0.88,
without 1.02). Smaller images share a pass, because each node has a cost of its own: 32 images of 96 px are fastest by
eights.
"""
MAX_PIXELS = 420_000
"""Input pixels of a pass whose memory is kept for the next one. Of a larger one most is given back when it ends."""

LOGITS, MASK, SIMILARITY, ENERGY = "logits", "mask/", "similarity/", "energy/"
"""Names of the file's outputs; the last three begin the names of one output for each block."""

Kind = Literal["logits", "maps", "energy", "edited", "parts", "all"]
"""What a program is for: logits, or what is read in their place; masks and similarity, and the energy of the opening block;
the energies of all blocks; logits with edited masks; the maps of part detectors; everything, where one pass serves for maps
and parts.

They are apart because a runtime fuses less around an output, whether it is computed or not. With all maps in the graph, the
logits of EfficientNet-Lite0 in ONNX Runtime take up to 1.05 times as long, with one energy 1.05 times, and with all of them
1.2 to 1.3 times. The inputs that edit masks cost nothing there that can be measured, so that one program serves both; in
OpenVINO the logits take 1.1 times as long with them.
"""


class Sessions:
    """The programs of one file, of which most uses need one. Several threads may run them.

    Args:
        runtime: What runs them.
        exported: The file.
        opening: Name of the block whose energy is asked for most.
        results: The outputs of the network itself that are read: the logits, or what tells boxes. Without any there are no
            programs for them and for edited masks.

    Raises:
        MissingPackageError: the runtime is not installed.
        ChoiceError: the runtime does not compute in its precision on this processor.
        CheckpointError: the file cannot be read.
    """

    def __init__(
        self,
        runtime: Runtime,
        exported: ExportedModel,
        opening: str,
        results: Sequence[str],
    ) -> None:
        from sge.models import part_output

        runtime.check()
        self._runtime = runtime
        self._name = exported.name
        self._rows = exported.rows
        given = {f"{kind}/{block.name}" for block in exported.blocks for kind in block.outputs}
        blocks = [block.name for block in exported.blocks]
        results = list(results)
        maps = [kind + block for kind in (MASK, SIMILARITY) for block in blocks]
        energies = [ENERGY + block for block in blocks]
        parts = [
            part_output(by, one.block)
            for by, detector in exported.detectors.items()
            for one in detector.blocks
        ]
        self._outputs: dict[Kind, list[str]] = {
            "logits": results,
            "maps": [*results, *(name for name in (*maps, ENERGY + opening) if name in given)],
            "energy": [*results, *(name for name in (*maps, *energies) if name in given)],
            "edited": results,
            "parts": parts,
            "all": [*results, *(name for name in (*maps, *energies) if name in given), *parts],
        }
        self._edited: Kind = "edited" if runtime.edits_cost else "logits"
        self._file = KeptFile(exported.path)
        self._made: dict[Kind, Program] = {}
        self._lock = threading.Lock()

    def run(
        self, images: Array, fetched: Sequence[str], edits: Mapping[str, Array] | None = None, rows: int = 0
    ) -> dict[str, Array]:
        """One pass.

        Args:
            images: (N, channels, h, w), float32.
            fetched: Names of outputs; nothing that serves others alone is computed.
            edits: Values of the inputs ``keep/BLOCK`` and ``flat/BLOCK``, for a pass that fetches the logits alone; as many
                rows as there are images, or any number for one image.
            rows: Number of rows of the edits.

        Returns:
            The outputs by name, float32.

        Raises:
            ChoiceError: the memory does not suffice.
            UnsupportedNetworkError: the network cannot be run on the input.
            CheckpointError: the file was written to after it was opened, or is none that the runtime runs.
            NonFiniteError: the images or weights are not finite, and the results would not show it.
        """
        size = images.shape[2] * images.shape[3]
        edits = edits or {}
        is_shared = bool(edits) and rows > len(images)
        most = len(images) if is_shared else min(len(images), max(1, PASS_PIXELS // max(1, size)))
        most = most if self._rows is None else min(most, self._rows)
        is_large = (rows if is_shared else most) * size > MAX_PIXELS
        parts = []
        for start in range(0, len(images), most):
            part = slice(start, start + most)
            edited = edits if is_shared else {name: values[part] for name, values in edits.items()}
            parts.append(self._run_part(images[part], fetched, edited, is_large))
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in fetched}

    def _run_part(
        self, images: Array, fetched: Sequence[str], edits: Mapping[str, Array], is_large: bool
    ) -> dict[str, Array]:
        self._runtime.check_input(images, self._name)
        program = self._program(self._edited if edits else self._kind(fetched))
        feed = {"image": np.ascontiguousarray(images, np.float32), **edits}
        try:
            values = program.run(fetched, feed, is_large)
        except Exception as error:  # The errors of the runtimes have no common class.
            raise self._failure(images, error) from error
        return dict(zip(fetched, values, strict=True))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_made": {}, "_lock": None}  # A copy makes programs of its own.

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"_lock": threading.Lock()})

    def _program(self, kind: Kind) -> Program:
        if (program := self._made.get(kind)) is not None:
            return program
        with self._lock:
            if kind not in self._made:
                self._made[kind] = self._new_program(kind)
            return self._made[kind]

    def _kind(self, fetched: Sequence[str]) -> Kind:
        """The program with the fewest outputs that has those."""
        return next(kind for kind, outputs in self._outputs.items() if set(fetched) <= set(outputs))

    def _new_program(self, kind: Kind) -> Program:
        from sge.models import reduced

        content = self._file.content()
        try:
            return self._runtime.program(reduced(content, self._outputs[kind], kind == self._edited))
        except NonFiniteError:
            raise
        except Exception as error:
            raise CheckpointError(
                f"{self._file.path.name} cannot be run by {self._runtime.title} ({quoted(error)}). Export the model again: "
                "sge models export."
            ) from error

    def _failure(self, images: Array, error: Exception) -> Exception:
        if is_out_of_memory(error):
            return ChoiceError(
                f"The memory does not suffice for an input of shape {images.shape}. Choose a smaller size, or fewer images "
                "at once."
            )
        return UnsupportedNetworkError(
            f"{self._name} cannot be run on an input of shape {images.shape} ({quoted(error)}). Choose another size or "
            "framing."
        )
