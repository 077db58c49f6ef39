"""Routes that check each query once: clients ask the same again and again, with other images."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

MAX_QUERIES = 256
"""Queries that one route remembers; with the next one it forgets them all."""
MAX_QUERY_BYTES = 512
"""A longer query is checked every time."""
_OWN = ("request", "engine")
"""Parameters of endpoints that belong to one request, or to one application."""
_PLAIN = (str, int, float, bool, type(None))

Values = dict[str, Any]
Endpoint = Callable[..., Awaitable[Any]]


class KnownQueries(APIRoute):
    """A route of the image API. Checking the parameters takes as long as everything else that the framework does.

    What is remembered is what the endpoint was called with: a query that was refused is checked anew. A route with
    parameters in its path, and values other than texts and numbers, are left to the framework.
    """

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        self._known: dict[bytes, Values] = {}
        self._endpoint = endpoint
        images = "POST" in (options.get("methods") or ()) and "{" not in path
        super().__init__(path, self._remembering(endpoint) if images else endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, which calls the endpoint at once where the query is known."""
        checking = super().get_route_handler()

        async def handler(request: Request) -> Response:
            values = self._known.get(request.scope["query_string"])
            if values is None or request.app.dependency_overrides:
                return await checking(request)
            own = {name: _own(name, request) for name in values["own"]}
            response: Response = await self._endpoint(**values["plain"], **own)
            return response

        return handler

    def _remembering(self, endpoint: Endpoint) -> Endpoint:
        @functools.wraps(endpoint)
        async def remembering(**values: Any) -> Any:
            request = values.get("request")
            plain = {name: value for name, value in values.items() if name not in _OWN}
            if isinstance(request, Request) and all(isinstance(value, _PLAIN) for value in plain.values()):
                self._remember(
                    request.scope["query_string"], plain, [name for name in values if name in _OWN]
                )
            return await endpoint(**values)

        return remembering

    def _remember(self, query: bytes, plain: Values, own: list[str]) -> None:
        if len(query) > MAX_QUERY_BYTES:
            return
        if len(self._known) >= MAX_QUERIES:
            self._known.clear()
        self._known[query] = {"plain": plain, "own": own}


def _own(name: str, request: Request) -> Any:
    return request if name == "request" else request.app.state.engine
