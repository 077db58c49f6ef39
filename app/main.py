"""The application, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

import sge
from app import api, errors, logs, pages
from app.engine import Engine
from app.metrics import Metrics
from app.middleware import Watch
from app.schemas import Problem
from app.settings import Settings


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
        description="Classes, and the spatial mask of every SGE group, for a picture. Nothing is kept.",
        lifespan=lifespan,
        openapi_url="/api/v1/openapi.json",
        # Swagger's page would load scripts from another host.
        docs_url=None,
        redoc_url=None,
    )
    app.state.engine = engine
    app.state.sample_analyses = {}
    app.add_middleware(Watch, metrics=metrics)
    errors.install(app)
    app.include_router(api.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=pages.static_folder()), name="static")
    _describe_problems(app)
    return app


def _describe_problems(app: FastAPI) -> None:
    document = app.openapi()
    document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = Problem.model_json_schema()


def serve() -> None:
    """Runs the service until Ctrl-C or SIGTERM; what is running then is finished."""
    settings = Settings()
    logs.configure()
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=round(settings.time_limit_s) + 1,
    )
