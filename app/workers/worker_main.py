"""A worker as a program of its own, on systems without a nursery."""

from __future__ import annotations

import socket

from . import tasks as tasks  # Imported before the first task, so that its time does not count for that.
from .worker import serve


def main(descriptor: int) -> None:
    """Serves the socket of this number until it is closed."""
    serve(socket.socket(fileno=descriptor))
