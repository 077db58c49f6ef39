"""Runs the service in this process until a signal ends it."""

from __future__ import annotations

import logging
import socket
import sys
from typing import NoReturn

from . import logs
from .http_server import exit_now, exit_on_signals, server_of
from .main import create_app
from .settings import Settings

log = logging.getLogger("sge.app")


def run(settings: Settings) -> None:
    """Serves until Ctrl-C or SIGTERM, answers the requests that are running, and exits the process.

    Exit codes: 0 after a signal; 1 if the address cannot be listened on, or if requests were cut off at the end;
    128 and the signal's number after a second signal.
    """
    exit_on_signals()
    logs.configure()
    listening = _listen(settings)  # before the models load, so that a taken port is reported at once
    app = create_app(settings)
    server = server_of(app, settings, app.state.engine.metrics)
    server.run(sockets=[listening])
    exit_now(1 if server.cut_off else 0)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listening = socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        reason = (error.strerror or str(error)).split(" (while")[0]
        _give_up(f"{settings.host} port {settings.port}: {reason}. Set SGE_HOST or SGE_PORT to another.")
    host, port = listening.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    log.info("listening", extra={"url": url})
    if sys.stderr.isatty():
        print(f"\n  SGE Lens: open {url} in a browser; Ctrl-C stops it.\n", file=sys.stderr)
    return listening


def _give_up(sentence: str) -> NoReturn:
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(1)
