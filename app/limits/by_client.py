"""Running requests by client, where a proxy's connections say nothing about the clients behind it."""

from __future__ import annotations

from collections import Counter

from starlette.types import ASGIApp, Receive, Scope, Send

from .. import errors
from ..middleware import HEADERS
from .connections import counted
from .refusals import many_of_address


class ByClient:
    """Answers 429 to an address that has too many requests running.

    It stands inside of uvicorn's ``ProxyHeadersMiddleware``, which puts the forwarded address in the scope.

    Args:
        app: The application.
        limit: Most running requests of one address (IPv6: of one /64 network).
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit
        self._running: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        client = scope.get("client")
        if scope["type"] != "http" or not client:
            await self.app(scope, receive, send)
            return
        address = counted(client[0])
        if self._running[address] >= self.limit:
            refusal = many_of_address(self.limit)
            headers = {**HEADERS, "Retry-After": str(refusal.retry_after_s)}
            answer = errors.response(refusal.status, refusal.detail, headers)
            await answer(scope, receive, send)
            return
        self._running[address] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._running[address] -= 1
            if not self._running[address]:
                del self._running[address]
