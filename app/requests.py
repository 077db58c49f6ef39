"""An image's way through a request: a place, a time limit, the upload, the lens; given up when nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from app.engine import Engine
from app.errors import ProblemError
from app.uploads import read_upload
from sge.analysis.analysis import Analysis

T = TypeVar("T")


@asynccontextmanager
async def working(engine: Engine, model: str | None) -> AsyncIterator[None]:
    """Entered before the first byte is read, left when the answer is there.

    Raises:
        UnknownModelError: no such model.
        ProblemError: 503, the model does not answer or every place is taken; 504, past the time limit.
    """
    engine.slot(model).require_lens()
    limit = engine.settings.time_limit_s
    with engine.place():
        try:
            async with asyncio.timeout(limit):
                yield
        except TimeoutError:
            raise ProblemError(
                504, f"The answer took longer than {limit:g} s. Try again, or send a smaller image.", "time"
            ) from None


async def look(
    request: Request, engine: Engine, model: str | None, framing: str = "whole", top_k: int = 5
) -> Analysis:
    """The request's image, analysed."""
    upload = await read_upload(request, engine.settings.max_bytes)
    request.state.image = {"bytes": len(upload.data)}
    analysis = await unless_gone(
        request,
        engine.analyze(upload.data, name=upload.name, model=model, framing=framing, top_k=top_k),
    )
    image = analysis.image_info
    request.state.image |= {
        "width": image.width,
        "height": image.height,
        "format": image.format,
        "image_sha256": image.sha256,
    }
    return analysis


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The work's result; it is cancelled when the client hangs up.

    Args:
        request: Its body has been read to the end.
        work: What the client waits for.

    Raises:
        ClientDisconnect: nobody waits any more.
    """
    doing, leaving = asyncio.create_task(work), asyncio.create_task(_hung_up(request))
    try:
        await asyncio.wait((doing, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ClientDisconnect
        return doing.result()
    finally:
        doing.cancel()
        leaving.cancel()


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
