"""What runs the graphs of exported files, whichever runtime it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

from sge.arrays import Array
from sge.devices import find_precision
from sge.errors import ChoiceError

MAX_QUOTED = 200
"""Number of characters of a runtime's own error that a message quotes."""
_PLACES = ("Exception from ", "Check '")
"""Beginnings of lines that say where in its own source a runtime failed."""


class Program(Protocol):
    """One graph, ready to run; several threads may run it at the same time."""

    def run(self, fetched: Sequence[str], feed: Mapping[str, Array], is_large: bool) -> list[Array]:
        """One pass.

        Args:
            fetched: Names of outputs of the graph.
            feed: Name of an input to its values, float32 and contiguous. Inputs with defaults may be left out.
            is_large: Whether the pass needs so much memory that it must be given back when it ends.

        Returns:
            The outputs, float32; nothing else writes into them.

        Raises:
            Exception: of the runtime's own classes.
        """


class Runtime(Protocol):
    """A package that runs exported files on the CPU. Its objects can be pickled; its programs cannot."""

    name: ClassVar[str]
    """One of ``sge.lens.backends.base.EXPORTED``."""
    title: ClassVar[str]
    """Its name in messages."""
    precisions: ClassVar[tuple[str, ...]]
    """Those of ``sge.devices.PRECISIONS`` that it computes in."""
    edits_cost: ClassVar[bool]
    """Whether a graph with inputs that edit masks is slower also where none is given, so that it is kept apart."""

    @property
    def precision(self) -> str:
        """One of ``precisions``."""

    def check(self) -> None:
        """Checks that the package is installed and computes in the precision of this runtime.

        Raises:
            MissingPackageError: it is not installed.
            ChoiceError: this processor does not compute in the precision.
        """

    def program(self, content: bytes) -> Program:
        """Makes a program of the content of an ONNX file.

        Raises:
            NonFiniteError: a weight is infinite or not a number, and the runtime would not let it be seen.
            Exception: of the runtime's own classes, when it does not run the graph.
        """

    def check_input(self, images: Array, name: str) -> None:
        """Checks what the runtime would not let be seen in its results; ``name`` is the model's.

        Raises:
            NonFiniteError: a number of the images is infinite, not a number, or absurdly large.
        """


def find_runtime(name: str, device: str, precision: str, threads: int | None) -> Runtime:
    """The runtime of a name, with the settings of a lens.

    Args:
        name: ``onnxruntime`` or ``openvino``.
        device: ``auto`` or ``cpu``.
        precision: ``auto`` or one that the runtime computes in.
        threads: Number of threads that compute one pass; None for one.

    Raises:
        ChoiceError: another device or precision.
    """
    # Neither module imports its package.
    from sge.lens.backends.onnx_runtime import OnnxRuntime
    from sge.lens.backends.openvino_runtime import OpenVino

    kind: type[OnnxRuntime | OpenVino] = OpenVino if name == "openvino" else OnnxRuntime
    if device not in ("auto", "cpu"):
        raise ChoiceError(
            f"device is {device!r}, and {kind.title} computes on the CPU here. Choose cpu, or the backend torch "
            "with the model that was exported."
        )
    found = find_precision(precision)
    if found not in kind.precisions:
        raise ChoiceError(
            f"precision is {precision!r}, and {kind.title} computes in {' or '.join(kind.precisions)} here. Choose float32, "
            "or the backend torch with the model that was exported."
        )
    return kind(threads or 1, found)


def is_out_of_memory(error: Exception) -> bool:
    """Whether a runtime's error says that it got no memory."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or "alloc" in text or "out of memory" in text


def quoted(error: Exception) -> str:
    """Class and first line of a runtime's error, without where in its source it came from."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(_PLACES)] or lines or [""]
    return f"{type(error).__name__}: {told[0]}"[:MAX_QUOTED]
