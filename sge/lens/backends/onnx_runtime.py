"""ONNX Runtime on the CPU."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sge.arrays import Array
from sge.errors import MissingPackageError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, RunOptions


@dataclass(frozen=True)
class OnnxRuntime:
    """See ``Runtime``.

    Args:
        threads: Number of threads that compute one pass.
        precision: Has one value.
    """

    threads: int = 1
    precision: str = "float32"

    name: ClassVar[str] = "onnxruntime"
    title: ClassVar[str] = "ONNX Runtime"
    precisions: ClassVar[tuple[str, ...]] = ("float32",)
    edits_cost: ClassVar[bool] = False

    def check(self) -> None:
        """See ``Runtime``."""
        _package()

    def program(self, content: bytes) -> OnnxProgram:
        """See ``Runtime``."""
        runtime = _package()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # Its errors are raised, and need not be printed as well.
        # Threads that wait by spinning take the cores from decoding and from other passes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if _shares_memory():
            options.add_session_config_entry("session.use_env_allocators", "1")
        # A session keeps the bytes that it is made from, but not the content of a file.
        with tempfile.TemporaryDirectory(prefix="sge-") as folder:
            file = Path(folder) / "reduced.onnx"
            file.write_bytes(content)
            return OnnxProgram(runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"]))

    def check_input(self, images: Array, name: str) -> None:
        """See ``Runtime``; what is not finite goes through to the results."""


class OnnxProgram:
    """See ``Program``.

    Args:
        session: Of the graph.
    """

    def __init__(self, session: InferenceSession) -> None:
        self._session = session

    def run(self, fetched: Sequence[str], feed: Mapping[str, Array], is_large: bool) -> list[Array]:
        """See ``Program``; nothing that serves other outputs alone is computed."""
        return self._session.run(list(fetched), dict(feed), _options(is_large))  # type: ignore[no-any-return]


def _options(is_large: bool) -> RunOptions:
    options = _package().RunOptions()
    options.only_execute_path_to_fetches = True
    if is_large:
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _package() -> Any:
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
    runtime = _package()
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
