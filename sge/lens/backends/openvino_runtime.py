"""OpenVINO on the CPU."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sge.arrays import Array
from sge.devices import available_cores
from sge.errors import ChoiceError, MissingPackageError, NonFiniteError

if TYPE_CHECKING:
    from openvino import CompiledModel, InferRequest

LARGEST_INPUT = 1e6
"""Absolute value that no normalized image reaches."""
_STARTING = threading.Lock()
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


@dataclass(frozen=True)
class OpenVino:
    """See ``Runtime``.

    Its clipped activations turn what is not a number into a number, so that images and weights are checked beforehand.

    Args:
        threads: Number of threads that compute one pass.
        precision: Of convolutions and products. It is always named to OpenVINO, whose own choice is bfloat16 on processors
            that have it: logits are then off by some percent of the largest.
    """

    threads: int = 1
    precision: str = "float32"

    name: ClassVar[str] = "openvino"
    title: ClassVar[str] = "OpenVINO"
    precisions: ClassVar[tuple[str, ...]] = ("float32", "bfloat16")
    edits_cost: ClassVar[bool] = True

    def check(self) -> None:
        """See ``Runtime``."""
        core = _core()
        if self.precision == "bfloat16" and "BF16" not in core.get_property(
            "CPU", "OPTIMIZATION_CAPABILITIES"
        ):
            raise ChoiceError(
                "precision is 'bfloat16', which OpenVINO does not compute in on this processor. Choose float32."
            )

    def program(self, content: bytes) -> OpenVinoProgram:
        """See ``Runtime``."""
        import onnx
        from onnx import numpy_helper

        model = onnx.load_model_from_string(content)
        graph = model.graph
        inputs = {one.name for one in graph.input}
        # OpenVINO takes an input that has a default for a constant.
        defaults = {one.name: numpy_helper.to_array(one) for one in graph.initializer if one.name in inputs}
        kept = [one for one in graph.initializer if one.name not in inputs]
        for one in kept:
            values = numpy_helper.to_array(one)
            if values.dtype.kind == "f" and not np.isfinite(values.sum(dtype=np.float64)):
                raise NonFiniteError(
                    f"The weight {one.name} is not finite (infinite or not a number). Export the model again: sge models "
                    "export."
                )
        if defaults:
            del graph.initializer[:]
            graph.initializer.extend(kept)
            content = model.SerializeToString()
        core = _core()
        compiled = core.compile_model(core.read_model(content), "CPU", self._settings())
        return OpenVinoProgram(compiled, defaults)

    def _settings(self) -> dict[str, Any]:
        """One stream for each pass that runs at a time: passes of one stream wait for each other."""
        streams = max(1, available_cores() // self.threads)
        return {
            "INFERENCE_PRECISION_HINT": _HINTS[self.precision],
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": streams * self.threads,
            "ENABLE_HYPER_THREADING": True,
            # Threads that are bound to a core cannot give way to the other work of the service.
            "ENABLE_CPU_PINNING": False,
        }

    def check_input(self, images: Array, name: str) -> None:
        """See ``Runtime``."""
        if images.size and not max(images.max(), -images.min()) < LARGEST_INPUT:
            raise NonFiniteError(
                f"The input of {name} is not finite, or beyond {LARGEST_INPUT:g}, and so would be the logits. Check the "
                "mean and the standard deviation of its preprocessing."
            )


class OpenVinoProgram:
    """See ``Program``.

    Args:
        compiled: The graph.
        defaults: Values of the inputs that may be left out.
    """

    def __init__(self, compiled: CompiledModel, defaults: Mapping[str, Array]) -> None:
        self._compiled = compiled
        self._defaults = defaults
        self._lock = threading.Lock()
        self._free: list[InferRequest] = []
        self._running = 0
        self._keeps_much = False
        """Whether memory of a large pass has not been given back yet."""

    def run(self, fetched: Sequence[str], feed: Mapping[str, Array], is_large: bool) -> list[Array]:
        """See ``Program``; all outputs of the graph are computed."""
        request = self._begin()
        try:
            request.infer({**self._defaults, **feed}, share_inputs=True, share_outputs=True)
            found = [request.get_tensor(name).data.copy() for name in fetched]
        except BaseException:
            request = None  # What state it is in is not known.
            raise
        finally:
            self._end(None if is_large else request, is_large)
        return found

    def _begin(self) -> InferRequest:
        with self._lock:
            self._running += 1
            if self._free:
                return self._free.pop()
        try:
            return self._compiled.create_infer_request()
        except BaseException:
            self._end(None, False)
            raise

    def _end(self, request: InferRequest | None, is_large: bool) -> None:
        with self._lock:
            self._running -= 1
            self._keeps_much |= is_large
            if request is not None:
                self._free.append(request)
            # OpenVINO refuses while a pass runs; the last one to end gives the memory back.
            if self._keeps_much and not self._running:
                self._free.clear()
                self._compiled.release_memory()
                self._keeps_much = False


def _core() -> Any:
    """OpenVINO, started once in this process."""
    with _STARTING:
        return _started()


@cache
def _started() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise MissingPackageError(
            "OpenVINO, which the backend openvino runs exported models in, is not installed: pip install "
            "'sge-lens[openvino]'."
        ) from error
    # The first conversion of a type looks NumPy up. Two threads that do so at once wait for each other for ever: one holds
    # the lock of the interpreter, the other that of the lookup.
    openvino.Type.f32.to_dtype()
    return openvino.Core()
