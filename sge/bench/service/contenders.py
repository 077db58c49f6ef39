"""The servers that ``sge bench service`` compares, and what is asked of each."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PEERS = Path(__file__).resolve().parent / "peers"
ROOT = PEERS.parents[3]
"""Folder that holds the package ``sge``."""
OURS = ("onnxruntime", "torch", "openvino")
"""Backends of this project's service; those after the second are measured only if they are named."""
OTHERS = (
    ("fastapi-onnx", "fastapi_server.py", "FastAPI, ONNX Runtime", "onnxruntime", None),
    ("fastapi-torch", "fastapi_server.py", "FastAPI, torch", "torch", None),
    ("litserve", "litserve_onnx.py", "LitServe, ONNX Runtime", "onnxruntime", "litserve"),
    ("mosec", "mosec_onnx.py", "Mosec, ONNX Runtime", "onnxruntime", "mosec"),
    ("ray", "ray_onnx.py", "Ray Serve, ONNX Runtime", "onnxruntime", "ray"),
)
"""Key, program in ``peers``, name, backend, and the package that it needs."""
PREDICT = "/api/v1/predict?framing=center&top_k=5"
ANALYZE = "/api/v1/analyze?framing=center"


@dataclass(frozen=True)
class Setup:
    """What every server is given.

    Args:
        model: Name or file of the model, as ``sge.load_model`` takes it.
        exported: The same network as ONNX, with the logits as its only output.
        facts: JSON file of labels and preprocessing, for the peers.
        threads: Images that a server computes at a time, each with one thread.
    """

    model: str
    exported: Path
    facts: Path
    threads: int


@dataclass(frozen=True)
class Question:
    """What is asked of a server, and counts as one line of the result."""

    name: str
    path: str
    kind: str = "predict"
    """``predict`` or ``analyze``: which ceiling it is compared with."""


@dataclass(frozen=True)
class Contender:
    """A server, not yet started."""

    key: str
    """As ``--contender`` names it."""
    name: str
    command: Sequence[str]
    questions: Sequence[Question]
    environment: Mapping[str, str] = field(default_factory=dict)
    multipart: bool = False
    """Whether the image is sent as a form, because the server takes no other body."""
    package: str | None = None
    """The package that it needs beside this project's own."""
    ours: bool = False
    backend: str = "onnxruntime"
    """What runs its network: its measure is the ceiling of torch for torch, and that of ONNX Runtime for every other."""
    only_named: bool = False
    """Whether it is measured only where it is named."""

    @property
    def missing(self) -> bool:
        """Whether its package is not installed."""
        return self.package is not None and importlib.util.find_spec(self.package) is None


def contenders(setup: Setup, port: int) -> list[Contender]:
    """Every server, on ports that follow one another.

    Args:
        setup: Model, files and threads.
        port: Of the first.
    """
    ports = iter(range(port, port + 100))
    listed = [_ours(setup, backend, next(ports)) for backend in OURS]
    for key, script_name, name, backend, package in OTHERS:
        script = PEERS / script_name
        command = [sys.executable, str(script), "--port", str(next(ports)), "--facts", str(setup.facts)]
        command += ["--file", setup.model if backend == "torch" else str(setup.exported)]
        command += ["--backend", backend, "--threads", str(setup.threads)]
        question = Question(name, "/inference" if key == "mosec" else "/predict")
        listed.append(
            Contender(
                key,
                name,
                command,
                [question],
                environment=_environment(),
                multipart=key == "litserve",
                package=package,
                backend=backend,
            )
        )
    return listed


def port_of(contender: Contender) -> int:
    """The port that a contender's command names."""
    if contender.ours:
        return int(contender.environment["SGE_PORT"])
    return int(contender.command[contender.command.index("--port") + 1])


def _ours(setup: Setup, backend: str, port: int) -> Contender:
    name = f"SGE Lens, {backend}"
    settings = {
        "SGE_MODELS": setup.model,
        "SGE_DEVICE": "cpu",
        "SGE_BACKEND": backend,
        "SGE_THREADS": str(setup.threads),
        "SGE_HOST": "127.0.0.1",
        "SGE_PORT": str(port),
    }
    questions = [
        Question(name, PREDICT),
        Question(f"{name}: /analyze, JSON", ANALYZE, "analyze"),
        Question(f"{name}: /analyze, atlas", f"{ANALYZE}&format=atlas", "analyze"),
    ]
    command = [sys.executable, "-m", "sge", "serve"]
    key = "ours" if backend == OURS[0] else f"ours-{backend}"
    return Contender(
        key,
        name,
        command,
        questions,
        environment=_environment() | settings,
        package="openvino" if backend == "openvino" else None,
        ours=True,
        backend=backend,
        only_named=backend not in OURS[:2],
    )


def _environment() -> dict[str, str]:
    """What lets a child import this project, and keeps libraries from starting threads of their own."""
    return {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
