"""The application: settings, engine, routes, middleware and error handlers put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

import sge

from . import analyze_api, api, documents, effect_api, errors, image_api, inference_api, openapi, pages
from .assets import Assets, Version
from .engine import Engine
from .metrics import Metrics
from .middleware import Edge
from .samples import Samples
from .settings import Settings
from .tracing import tracing_to
from .workers.memory import trim_after_work


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service as an ASGI application. Its models load when it starts.

    Args:
        settings: By default read from the ``SGE_*`` environment variables.
    """
    settings = settings or Settings()
    metrics = Metrics()
    engine = Engine(settings, metrics)
    tracing = tracing_to(settings.otlp_endpoint)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        engine.start()
        trimming = asyncio.create_task(trim_after_work())
        yield
        trimming.cancel()
        await engine.stop()
        if tracing is not None:
            await asyncio.to_thread(tracing.stop)

    app = FastAPI(
        title="SGE Lens",
        version=sge.__version__,
        description="Classes, and the spatial mask of every SGE group, for an image. Nothing is stored.",
        lifespan=lifespan,
        openapi_url=None,  # see documents.py; Swagger's page would load scripts from another host
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.engine = engine
    app.state.samples = Samples(engine, pages.static_folder() / "samples")
    app.add_middleware(Edge, settings=settings, metrics=metrics, tracing=tracing)
    errors.install(app)
    app.include_router(api.router)
    app.include_router(analyze_api.router)
    app.include_router(effect_api.router)
    app.include_router(image_api.router)
    app.include_router(inference_api.router)
    app.include_router(pages.router)
    app.include_router(documents.router)
    app.state.assets_version = Version(pages.static_folder())
    app.mount("/static", Assets(pages.static_folder(), app.state.assets_version), name="static")
    openapi.complete(app)
    return app
