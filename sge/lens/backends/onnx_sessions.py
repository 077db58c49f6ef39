"""Sessions of ONNX Runtime for one exported file, made when they are first needed."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sge.arrays import Array
from sge.errors import CheckpointError, ChoiceError, MissingPackageError, UnsupportedNetworkError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, RunOptions

MAX_PIXELS = 420_000
"""Input pixels of one pass. A larger batch is divided, because on CPUs a pass of many images is no faster for each.

The memory of a pass is kept for the next one. A single image, or the ablations of one, may need more than this: most of
the memory of such a pass is given back when it ends.
"""
MAX_QUOTED = 200
"""Number of characters of ONNX Runtime's own error that a message quotes."""


LOGITS, MASK, SIMILARITY, ENERGY = "logits", "mask/", "similarity/", "energy/"
"""Names of the file's outputs; the last three begin the names of one output for each block."""

Kind = Literal["logits", "maps", "energy"]
"""What a session is for: logits, also with edited masks; masks and similarity, and the energy of the opening block; the
energies of all blocks.

They are apart because ONNX Runtime fuses less around an output, whether it is computed or not. With all maps in the graph,
the logits of EfficientNet-Lite0 take up to 1.05 times as long, with one energy 1.05 times, and with all of them 1.2 to 1.3
times. The inputs that edit masks cost nothing that can be measured.
"""


class Sessions:
    """The sessions of one file, of which most uses need one. Several threads may run them.

    Args:
        path: The exported file.
        name: Of the model, for messages.
        blocks: Names of all blocks.
        opening: Name of the block whose energy is asked for most.
        threads: Number of threads that compute one pass.

    Raises:
        MissingPackageError: ONNX Runtime is not installed.
        CheckpointError: the file cannot be read.
    """

    def __init__(self, path: Path, name: str, blocks: Sequence[str], opening: str, threads: int) -> None:
        _runtime()
        self._path = path
        self._name = name
        maps = [LOGITS, *(kind + block for kind in (MASK, SIMILARITY) for block in blocks)]
        self._outputs: dict[Kind, list[str]] = {
            "logits": [LOGITS],
            "maps": [*maps, ENERGY + opening],
            "energy": [*maps, *(ENERGY + block for block in blocks)],
        }
        self._threads = threads
        self._file = self._state_of_file()
        self._made: dict[Kind, InferenceSession] = {}
        self._lock = threading.Lock()

    def run(
        self, images: Array, fetched: Sequence[str], edits: Mapping[str, Array] | None = None, rows: int = 0
    ) -> dict[str, Array]:
        """One pass.

        Args:
            images: (N, channels, h, w), float32.
            fetched: Names of outputs; nothing that serves others alone is computed.
            edits: Values of the inputs ``keep/BLOCK`` and ``flat/BLOCK``, for a pass that fetches the logits alone.
            rows: Number of rows of the edits, if it is larger than that of the images.

        Returns:
            The outputs by name, float32.

        Raises:
            ChoiceError: the memory does not suffice.
            UnsupportedNetworkError: the network cannot be run on the input.
            CheckpointError: the file was changed after it was opened, or is none that ONNX Runtime runs.
        """
        size = images.shape[2] * images.shape[3]
        most = len(images) if edits else max(1, MAX_PIXELS // max(1, size))
        is_large = (max(len(images), rows) if edits else 1) * size > MAX_PIXELS
        parts = [
            self._run_part(images[start : start + most], fetched, edits or {}, is_large)
            for start in range(0, len(images), most)
        ]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in fetched}

    def _run_part(
        self, images: Array, fetched: Sequence[str], edits: Mapping[str, Array], is_large: bool
    ) -> dict[str, Array]:
        session = self._session(self._kind(fetched))
        feed = {"image": np.ascontiguousarray(images, np.float32), **edits}
        try:
            values = session.run(list(fetched), feed, _options(is_large))
        except Exception as error:  # The errors of ONNX Runtime have no common class.
            raise self._failure(images, error) from error
        return dict(zip(fetched, values, strict=True))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_made": {}, "_lock": None}  # A copy makes sessions of its own.

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"_lock": threading.Lock()})

    def _session(self, kind: Kind) -> InferenceSession:
        if (session := self._made.get(kind)) is not None:
            return session
        with self._lock:
            if kind not in self._made:
                self._made[kind] = self._new_session(kind)
            return self._made[kind]

    def _kind(self, fetched: Sequence[str]) -> Kind:
        """The session with the fewest outputs that has those."""
        return next(kind for kind, outputs in self._outputs.items() if set(fetched) <= set(outputs))

    def _new_session(self, kind: Kind) -> InferenceSession:
        from sge.models import reduced

        runtime = _runtime()
        if self._state_of_file() != self._file:
            raise CheckpointError(f"{self._path} was changed after this Lens was made. Make another Lens.")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # Its errors are raised, and need not be printed as well.
        # Threads that wait by spinning take the cores from decoding and from other passes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if _shares_memory():
            options.add_session_config_entry("session.use_env_allocators", "1")
        try:
            # A session keeps the bytes that it is made from, but not the content of a file.
            with tempfile.TemporaryDirectory(prefix="sge-") as folder:
                file = Path(folder) / "reduced.onnx"
                file.write_bytes(reduced(self._path, self._outputs[kind], kind == "logits"))
                return runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise CheckpointError(
                f"{self._path.name} cannot be run by ONNX Runtime ({_quoted(error)}). Export the model again: sge models "
                "export."
            ) from error

    def _state_of_file(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._path)
        except OSError as error:
            raise CheckpointError(
                f"{self._path} cannot be read: {error.strerror}. Export the model again: sge models export."
            ) from error
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _failure(self, images: Array, error: Exception) -> Exception:
        if isinstance(error, MemoryError) or "alloc" in str(error):
            return ChoiceError(
                f"The memory does not suffice for an input of shape {images.shape}. Choose a smaller size, or fewer images "
                "at once."
            )
        return UnsupportedNetworkError(
            f"{self._name} cannot be run on an input of shape {images.shape} ({_quoted(error)}). Choose another size or "
            "framing."
        )


def _options(is_large: bool) -> RunOptions:
    options = _runtime().RunOptions()
    options.only_execute_path_to_fetches = True
    if is_large:
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingPackageError(
            "Exported models are run by ONNX Runtime, which is not installed: pip install 'sge-lens[onnx]'."
        ) from error
    return onnxruntime


@cache
def _shares_memory() -> bool:
    """Whether all sessions of the process keep the memory of their passes in common; tried once.

    With an arena for each session, EfficientNet-Lite0 at 320 x 416 keeps 50 MB for each of its sessions.
    """
    runtime = _runtime()
    kind = runtime.OrtMemoryInfo(
        "Cpu", runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT
    )
    # No limit, chunks of the size that is asked for, and ONNX Runtime's own choice for the rest.
    arena = {
        "max_mem": 0,
        "arena_extend_strategy": 1,
        "initial_chunk_size_bytes": -1,
        "max_dead_bytes_per_chunk": -1,
    }
    try:
        runtime.create_and_register_allocator(kind, runtime.OrtArenaCfg(arena))
    except Exception:  # Another part of the program has registered one, or this version takes other settings.
        return False
    return True


def _quoted(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".split("\n")[0][:MAX_QUOTED]
