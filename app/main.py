"""The application, put together."""

from __future__ import annotations

import logging
import math
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import uvicorn
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from pydantic import ValidationError

import sge
from app import api, errors, logs, openapi, pages
from app.engine import Engine
from app.metrics import Metrics
from app.middleware import Watch
from app.settings import Settings, explain

log = logging.getLogger("sge.app")


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service; models load when it starts.

    Args:
        settings: By default what ``SGE_*`` says.
    """
    settings = settings or Settings()
    metrics = Metrics()
    engine = Engine(settings, metrics)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        engine.start()
        yield
        await engine.stop()

    app = FastAPI(
        title="SGE Lens",
        version=sge.__version__,
        description="Classes, and the spatial mask of every SGE group, for an image. Nothing is kept.",
        lifespan=lifespan,
        openapi_url="/api/v1/openapi.json",
        # Swagger's page would load scripts from another host.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.engine = engine
    app.state.sample_analyses = {}
    app.add_middleware(Watch, metrics=metrics)
    errors.install(app)
    app.include_router(api.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=pages.static_folder()), name="static")
    openapi.describe_problems(app)
    return app


def serve() -> None:
    """Runs the service until Ctrl-C or SIGTERM; what is running then is finished. Never returns.

    Exit codes: 0 after a signal, 1 where the address cannot be listened on, 2 for a setting that cannot be used.
    """
    # uvicorn repeats the signal once it has shut down; the default would report a crash to the supervisor.
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: sys.exit(0))
    try:
        settings = Settings()
    except ValidationError as error:
        _give_up(2, *explain(error))
    logs.configure()
    listening = _listen(settings)  # before the models load, so that a taken port is told at once
    config = uvicorn.Config(
        create_app(settings),
        lifespan="on",
        ws="none",  # nothing here speaks it, and an upgrade to a static file would be a fault of the server
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
        _give_up(1, f"{settings.host} port {settings.port}: {reason}. Set SGE_HOST or SGE_PORT to another.")
    host, port = listening.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    log.info("listening", extra={"url": url})
    if sys.stderr.isatty():
        print(f"\n  SGE Lens: open {url} in a browser; Ctrl-C ends it.\n", file=sys.stderr)
    return listening


def _give_up(code: int, *sentences: str) -> NoReturn:
    for sentence in sentences:
        print(f"error: {sentence}", file=sys.stderr)
    sys.exit(code)
