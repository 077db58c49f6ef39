"""A real server on a socket, in a thread of the test's process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.http_server import server_of
from app.main import create_app
from app.settings import Settings
from tests.app.conftest import WAIT_S, until


@contextmanager
def served(**settings: Any) -> Iterator[tuple[int, Any]]:
    """The port and the application of a service with the first shipped model; loaded once the context is entered."""
    defaults = {"models": ["sge_efficientnet_lite0"], "time_limit_s": WAIT_S, "threads": 1, "port": 0}
    chosen = Settings(**defaults | settings)
    app = create_app(chosen)
    server = server_of(app, chosen, app.state.engine.metrics)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            until(lambda: app.state.engine.ready or not thread.is_alive())
            yield listening.getsockname()[1], app
        finally:
            server.should_exit = True
            thread.join(WAIT_S)
            assert not thread.is_alive()
