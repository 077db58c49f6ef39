"""Runs an exported file once with ONNX Runtime, and checks that it returns what it states. Needs no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from sge.arrays import Array
from sge.errors import CheckpointError, MissingPackageError
from sge.models.exported_model import LOGITS, PART, RANGE, ExportedModel, part_output
from sge.models.onnx_checks import output_names
from sge.models.wording import shown

MULTIPLE = 32
"""Sides of inputs are multiples of this number."""
_AGAIN = "Export the model again."


class Session:
    """ONNX Runtime on one exported file, on one thread of the CPU.

    Args:
        file: Its path or content.
        name: Its name, for sentences.

    Raises:
        CheckpointError: ONNX Runtime refuses the file.
        MissingPackageError: ONNX Runtime is not installed.
    """

    def __init__(self, file: str | os.PathLike[str] | bytes, name: str) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingPackageError(
                f"{name} is run with the package onnxruntime, which is not installed. Install it: "
                "pip install 'sge-lens[onnx]'."
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        self._name = name
        try:
            self._session = onnxruntime.InferenceSession(
                file if isinstance(file, bytes) else os.fspath(file),
                options,
                providers=["CPUExecutionProvider"],
            )
        except Exception as error:  # The errors of ONNX Runtime have no class of their own.
            raise CheckpointError(f"{name} cannot be run: {first_line(error)} {_AGAIN}") from error

    def run(self, image: Array, edits: Mapping[str, Array] | None = None) -> dict[str, Array]:
        """All outputs by name.

        Args:
            image: (N, channels, h, w), float32.
            edits: Values of the inputs ``keep/BLOCK`` and ``flat/BLOCK``.

        Raises:
            CheckpointError: The graph fails on the image.
        """
        names = [output.name for output in self._session.get_outputs()]
        try:
            return dict(zip(names, self._session.run(names, {"image": image, **(edits or {})}), strict=True))
        except Exception as error:
            raise CheckpointError(f"{self._name} fails on an image: {first_line(error)} {_AGAIN}") from error


def first_line(error: BaseException) -> str:
    """What ONNX Runtime says, for a sentence."""
    return shown(str(error).splitlines()[0] if str(error) else type(error).__name__) + "."


def run_once(model: ExportedModel) -> None:
    """Runs the file on one image without content and checks the outputs' shapes and ranges.

    Raises:
        CheckpointError: It cannot be run, or returns something else than it states.
        MissingPackageError: ONNX Runtime is not installed.
    """
    name = shown(model.path.name)
    side = -(-model.preprocess.size // model.multiple) * model.multiple
    image = np.zeros((1, model.preprocess.channels, *(model.size or (side, side))), np.float32)
    found = Session(model.path, name).run(image)
    wanted = {name: (1, block.groups) for block in model.blocks for name in output_names([block], ())}
    for by, detector in model.detectors.items():
        wanted |= {part_output(by, one.block): (1, len(detector.parts)) for one in detector.blocks}
    if model.classes:
        wanted[LOGITS] = (1, model.classes)
    rounding = RANGE if model.is_foreign else 0
    for output, shape in wanted.items():
        values = found[output]
        rank = 4 if output.startswith(("mask/", "similarity/", PART)) else 2
        if values.ndim != rank or values.shape[:2] != shape or not np.isfinite(values).all():
            raise CheckpointError(f"{name} returns {shown(output)} of another shape, or not finite. {_AGAIN}")
        if output.startswith("mask/") and not (values.min() >= -rounding and values.max() <= 1 + rounding):
            raise CheckpointError(f"{name} returns {shown(output)} beyond 0 to 1. {_AGAIN}")
