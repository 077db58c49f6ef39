"""The HTTP server with its limits, and its end: it drains for a limited time, and then exits whatever still runs."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import sys
import threading
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from .limits import ByClient, Connections, raise_descriptors, trusted_by
from .metrics import Metrics
from .protocol import protocol_of
from .settings import Settings
from .workers.nursery import end_workers

log = logging.getLogger("sge.app")

CANCEL_S = 1.0
"""Time after the drain in which requests end that were cut off."""
EXIT_S = 3.0
"""Time after the drain in which threads and workers stop; then the process exits without them."""


class Server(uvicorn.Server):
    """uvicorn's server with an end that nothing can delay.

    The first SIGTERM or SIGINT stops listening. Connections that are idle or have sent only half a request are closed
    at once (see ``HTTPProtocol.shutdown``), complete requests are answered for up to ``drain_s``, and ``EXIT_S`` later
    the process is gone. A second signal ends it at once.

    Args:
        config: uvicorn's.
        connections: The table that the protocol fills.
        drain_s: Longest time that running requests may take after the signal, seconds.
    """

    def __init__(self, config: uvicorn.Config, connections: Connections, drain_s: float) -> None:
        super().__init__(config)
        config.timeout_graceful_shutdown = drain_s + CANCEL_S  # type: ignore[assignment]  # annotated as int
        self.drain_s = drain_s
        self.connections = connections
        self.cut_off = 0
        """Number of connections that the end of the drain has cut off before they had their answers."""
        self._signals = 0
        self._answered = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The handler of SIGTERM and SIGINT."""
        self._signals += 1
        if self._signals > 1:
            exit_now(128 + sig)
        threading.Thread(target=self._exit_in_time, name="sge-exit", daemon=True).start()
        self.should_exit = True  # without uvicorn's repeating of the signal, so that the exit code is ours

    async def _wait_tasks_to_complete(self) -> None:
        try:
            async with asyncio.timeout(self.drain_s):
                await super()._wait_tasks_to_complete()
            self._answered = True
        except TimeoutError:
            self.cut_off = sum([connection.give_up() for connection in tuple(self.connections.open)])
            log.warning("drained", extra={"after_s": self.drain_s, "requests_cut_off": self.cut_off})
            await super()._wait_tasks_to_complete()  # for CANCEL_S at most

    def _exit_in_time(self) -> None:
        """Runs beside an event loop that may be busy, or wait for a thread that never ends."""
        threading.Event().wait(self.drain_s + EXIT_S)
        log.warning("exit while threads run", extra={"after_s": self.drain_s + EXIT_S})
        exit_now(0 if self._answered else 1)


def server_of(app: ASGIApp, settings: Settings, metrics: Metrics | None = None) -> Server:
    """The server of an application, with the limits of the settings.

    Args:
        app: The application.
        settings: Of them, those of connections and proxies.
        metrics: Receives the number of connections.
    """
    proxies = ",".join(settings.trusted_proxies)
    most = raise_descriptors(settings.max_connections)
    connections = Connections(settings, metrics, trusted_by(settings.trusted_proxies), most)
    config = uvicorn.Config(
        ByClient(app, settings.max_connections_per_address) if proxies else app,
        http=protocol_of(connections),  # type: ignore[arg-type]  # uvicorn calls it like a class
        lifespan="on",
        ws="none",  # no route uses WebSockets, and an upgrade of a static file would be a server error
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        timeout_keep_alive=settings.keep_alive_s,  # type: ignore[arg-type]  # uvicorn's annotation says int
    )
    return Server(config, connections, settings.drain_s)


def exit_now(code: int) -> None:
    """Ends the process and its child processes without waiting for any thread.

    Args:
        code: The exit code.
    """
    for child in multiprocessing.active_children():
        child.kill()
    logging.shutdown()
    sys.stdout.flush()
    end_workers()
    os._exit(code)


def exit_on_signals() -> None:
    """Lets SIGTERM and SIGINT end the process with code 0 before the server handles them.

    The default handler would report a crash to the supervisor.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
