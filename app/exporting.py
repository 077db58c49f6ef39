"""Exports models for ONNX Runtime in a process of its own: the service answers meanwhile, and keeps none of its memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import sge

LIMIT_S = 900.0
LOOK_S = 0.2
_CODE = """
import os, sys
os.nice(10)
from sge.models import exported_file, load_model
exported_file(load_model(sys.argv[1]))
"""
MAX_REASON = 2000
"""Characters of the child's last words that are logged."""


class ExportFailedError(Exception):
    """The export was not made; the message is for the log."""


def export(source: str, stopping: threading.Event) -> None:
    """Makes the exported file of a model, which ``sge.models.exported_file`` then finds.

    Args:
        source: The argument of ``load_model``.
        stopping: Ends the export when it is set.

    Raises:
        ExportFailedError: it was not made.
    """
    paths = [str(Path(sge.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    child = subprocess.Popen(
        [sys.executable, "-c", _CODE, source],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    waited = 0.0
    with child:
        while child.poll() is None:
            if stopping.wait(LOOK_S) or (waited := waited + LOOK_S) > LIMIT_S:
                child.kill()
                raise ExportFailedError("it was interrupted")
        if child.returncode:
            words = child.stderr.read() if child.stderr is not None else b""
            raise ExportFailedError(
                words[-MAX_REASON:].decode("utf-8", "replace") or f"exit code {child.returncode}"
            )
