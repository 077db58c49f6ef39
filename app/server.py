"""Runs the service in this process until a signal ends it."""

from __future__ import annotations

import logging
import os
import socket
import sys
from typing import NoReturn

from sge.errors import SGEError

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
    let_idle_threads_rest()
    logs.configure()
    sockets = [_listen(settings)]  # before the models load, so that a taken port is reported at once
    if settings.metrics_port:  # see middleware.metrics_port
        sockets.append(_bound(settings.host, settings.metrics_port, "SGE_METRICS_PORT"))
    try:
        app = create_app(settings)
    except SGEError as error:
        _give_up(str(error))
    server = server_of(app, settings, app.state.engine.metrics)
    server.run(sockets=sockets)
    exit_now(1 if server.cut_off else 0)


def let_idle_threads_rest() -> None:
    """Threads of torch that wait for each other rest, unless the environment says otherwise; before torch is imported.

    They would spin. Where others want the cores, one image then takes 1.3 s of computing in place of 0.1 s, measured on two
    cores with ten busy processes.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _listen(settings: Settings) -> socket.socket:
    listening = _bound(settings.host, settings.port, "SGE_HOST or SGE_PORT")
    host, port = listening.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    log.info("listening", extra={"url": url})
    if sys.stderr.isatty():
        print(f"\n  SGE Lens: open {url} in a browser; Ctrl-C stops it.\n", file=sys.stderr)
    return listening


def _bound(host: str, port: int, names: str) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = (error.strerror or str(error)).split(" (while")[0]
        _give_up(f"{host} port {port}: {reason}. Set {names} to another.")


def _give_up(sentence: str) -> NoReturn:
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(1)
