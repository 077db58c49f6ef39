"""An image's request: admission, time limit, upload, analysis; cancelled when the client disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from sge.analysis import Analysis, Prediction
from sge.images import DecodedImage, Frame
from sge.lens import Lens

from .engine import Engine
from .errors import ProblemError
from .uploads import read_upload

T = TypeVar("T")


@asynccontextmanager
async def admitted(engine: Engine) -> AsyncIterator[None]:
    """One of the engine's ``max_queue`` admissions, under the time limit.

    It is entered before the upload's first byte is read, and left when the answer is ready.

    Raises:
        ProblemError: 503 if every admission is taken, 504 past the time limit.
    """
    limit = engine.settings.time_limit_s
    with engine.admission():
        try:
            async with asyncio.timeout(limit):
                yield
        except TimeoutError:
            raise ProblemError(
                504, f"The answer took longer than {limit:g} s. Try again, or send a smaller image.", "time"
            ) from None


async def analyze_upload(
    request: Request, engine: Engine, lens: Lens, framing: str = "whole", top_k: int = 5
) -> Analysis:
    """The analysis of the image in the request's body.

    Raises:
        ProblemError: The body is no upload; see ``read_upload``.
        ImageError: The image cannot be decoded.
        ClientDisconnect: The client has disconnected.
    """
    return await from_upload(request, engine, lambda image: engine.analyze(image, lens, framing, top_k))


async def predict_upload(
    request: Request, engine: Engine, lens: Lens, framing: str = "whole", top_k: int = 5
) -> list[Prediction]:
    """The predictions of the image in the request's body; no maps are read and no parts are found.

    Raises:
        ProblemError, ImageError, ClientDisconnect: As for ``analyze_upload``.
    """
    return await from_upload(request, engine, lambda image: engine.predict(image, lens, framing, top_k))


async def compute_upload(
    request: Request, engine: Engine, lens: Lens, work: Callable[[Lens, Frame], T], framing: str = "whole"
) -> T:
    """``work`` of the image in the request's body, done alone on the model thread.

    Raises:
        ProblemError, ImageError, ClientDisconnect: As for ``analyze_upload``.
        SGEError: What ``work`` raises.
    """
    return await from_upload(request, engine, lambda image: engine.compute(image, lens, work, framing))


async def from_upload(request: Request, engine: Engine, work: Callable[[DecodedImage], Awaitable[T]]) -> T:
    """``work`` of the decoded image in the request's body.

    Raises:
        ProblemError, ImageError, ClientDisconnect: As for ``analyze_upload``.
    """
    upload = await read_upload(request, engine.settings.max_bytes)
    request.state.image = {"bytes": len(upload.data)}

    async def decode_and_work() -> T:
        image = await engine.decode(upload.data, upload.name)
        # The access log shows these facts; it never shows the name.
        request.state.image |= {
            "width": image.width,
            "height": image.height,
            "format": image.format,
            "image_sha256": image.sha256,
        }
        request.state.notes = image.notes  # see middleware.ImageNotes
        return await work(image)

    return await cancel_on_disconnect(request, decode_and_work())


async def cancel_on_disconnect(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, which is cancelled when the client disconnects.

    Args:
        request: Its body has been read to the end.
        work: What the client waits for.

    Raises:
        ClientDisconnect: The client has disconnected.
    """
    result, disconnect = asyncio.create_task(work), asyncio.create_task(wait_for_disconnect(request))
    try:
        await asyncio.wait((result, disconnect), return_when=asyncio.FIRST_COMPLETED)
        if not result.done():
            raise ClientDisconnect
        return result.result()
    finally:
        result.cancel()
        disconnect.cancel()


async def wait_for_disconnect(request: Request) -> None:
    """Returns when the client has disconnected; the request's body has been read to the end."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
