"""An image's request: time limit, upload, admission; cancelled when the client disconnects."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.requests import ClientDisconnect

from .admission import Admission
from .engine import Engine
from .errors import ProblemError
from .uploads import Upload, read_upload

Read = Callable[[Request, int], Awaitable[Upload]]
"""Reads the image of a request's body, which may have at most so many bytes."""


@asynccontextmanager
async def admitted(
    request: Request,
    engine: Engine,
    kind: str,
    rows: float = 1,
    read: Read | None = None,
    model: str | None = None,
) -> AsyncIterator[Admission]:
    """The request's upload, complete and admitted; left when the answer is ready.

    The body is read first and the engine asked then: an upload that is slow holds nothing that others wait for. Within
    the context the time limit holds, and the task is cancelled if the client disconnects.

    Args:
        request: Its body is not yet read.
        engine: Admits the upload.
        kind: What is asked, in one word; see ``Admission``.
        rows: Rows of forward passes that the answer takes; inputs of other sizes count by their pixels.
        read: ``read_upload``, unless the image comes in another form.
        model: Name of the model, unless the query has it.

    Raises:
        ProblemError: The body is no upload (see ``read_upload``); 503 if the answer could not be given in time; 504 past
            the time limit.
        ClientDisconnect: The client has disconnected.
    """
    limit, started = engine.settings.time_limit_s, time.monotonic()
    model = model or request.query_params.get("model")
    try:
        async with asyncio.timeout(limit):
            upload = await (read or read_upload)(request, engine.settings.max_bytes)
            engine.metrics.stage("receive", started, time.monotonic())
            request.state.image = {"bytes": len(upload.data)}
            async with engine.admission(upload, kind, started + limit, rows, model) as admission:
                try:
                    async with cancelled_on_disconnect(request):
                        yield admission
                finally:
                    _note_facts(request, admission)
    except TimeoutError:
        raise ProblemError(
            504, f"The answer took longer than {limit:g} s. Try again, or send a smaller image.", "time"
        ) from None


def _note_facts(request: Request, admission: Admission) -> None:
    """Facts of the image for the access log, which never shows the name, and notes for ``middleware.headers``."""
    if (facts := admission.facts) is not None:
        request.state.image |= {
            "width": facts.width,
            "height": facts.height,
            "format": facts.format,
            "image_sha256": facts.sha256,
        }
        request.state.notes = facts.notes


@asynccontextmanager
async def cancelled_on_disconnect(request: Request) -> AsyncIterator[None]:
    """Cancels what runs inside when the client disconnects.

    Args:
        request: Its body has been read to the end.

    Raises:
        ClientDisconnect: The client has disconnected.
    """
    task, gone = asyncio.current_task(), False

    def cancel(done: asyncio.Task[None]) -> None:
        nonlocal gone
        if task is not None and not done.cancelled() and done.exception() is None:
            gone = True
            task.cancel()

    watching = asyncio.create_task(wait_for_disconnect(request))
    watching.add_done_callback(cancel)
    try:
        yield
    except asyncio.CancelledError:
        if gone and task is not None and task.uncancel() == 0:
            raise ClientDisconnect from None
        raise
    finally:
        watching.remove_done_callback(cancel)
        watching.cancel()


async def wait_for_disconnect(request: Request) -> None:
    """Returns when the client has disconnected; the request's body has been read to the end."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
