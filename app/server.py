"""Runs the service in this process until a signal ends it."""

from __future__ import annotations

import logging
import math
import signal
import socket
import sys
from typing import NoReturn

import uvicorn

from . import logs
from .main import create_app
from .protocol import HTTPProtocol
from .settings import Settings

log = logging.getLogger("sge.app")


def run(settings: Settings) -> None:
    """Serves until Ctrl-C or SIGTERM, finishes the requests that are running, and exits the process.

    Exit codes: 0 after a signal, 1 if the address cannot be listened on.
    """
    # uvicorn repeats the signal once it has shut down; the default handler would report a crash to the supervisor.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    logs.configure()
    listening = _listen(settings)  # before the models load, so that a taken port is reported at once
    config = uvicorn.Config(
        create_app(settings),
        http=HTTPProtocol,
        lifespan="on",
        ws="none",  # no route uses WebSockets, and an upgrade of a static file would be a server error
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.time_limit_s) + 1,
    )
    uvicorn.Server(config).run(sockets=[listening])


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
