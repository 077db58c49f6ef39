"""The one middleware: it lets a request in, identifies it, dresses and compresses its response, and writes it down.

Its jobs are in the modules beside it. They are one ASGI application because each further one would cost every request a
call for every message.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import errors
from ..identity import CURRENT, Identity, identify
from ..metrics import SPENT, Metrics
from ..settings import Settings
from ..tracing import Tracing
from .access import CHALLENGES, Access
from .compression import Packing, accepts_gzip, is_compressible, is_short
from .cross_origin import PREFLIGHT, share
from .headers import NOTES_HEADER, RawHeaders, add_missing, add_vary, encoded_notes, raw, security_headers
from .metrics_port import MetricsPort
from .recording import CLIENT_CLOSED_REQUEST, record
from .request_headers import RequestHeaders
from .root_path import below

log = logging.getLogger("sge.app")
_NOTES = NOTES_HEADER.lower().encode("ascii")


class Edge:
    """The outermost application.

    Args:
        app: What answers a request that was let in.
        settings: Hosts, origins, key, root path and embedding sites.
        metrics: Receives count, status and time of every request.
        tracing: Receives a span for every request; None: there is no collector.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, metrics: Metrics, tracing: Tracing | None = None
    ) -> None:
        self.app = app
        self.access = Access(settings)
        self.metrics = metrics
        self.metrics_port = MetricsPort(settings, metrics)
        self.tracing = tracing
        self.root_path = settings.root_path
        self.headers = raw(security_headers(settings.frame_ancestors))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        is_head = scope["method"] == "HEAD"
        scope = below(self.root_path, scope, is_head)
        headers = RequestHeaders(scope["headers"])
        identity = identify(_first(headers.request_id), _first(headers.traceparent))
        span = self.tracing.begin(scope, identity) if self.tracing else None
        answer = Answer(self, scope, headers, identity, send, is_head)
        token, spent = CURRENT.set(identity), SPENT.set([] if self.tracing else None)
        try:
            await self._answer(scope, headers, receive, answer)
        finally:
            if answer.began and "image" in scope.get("state", ()):
                self.metrics.stage("send", answer.began, time.monotonic())
            method = "HEAD" if is_head else scope["method"]
            record(self.metrics, scope, method, answer.status, time.perf_counter() - started)
            if self.tracing:
                self.tracing.end(span, scope, answer.status, SPENT.get() or [])
            SPENT.reset(spent)
            CURRENT.reset(token)

    async def _answer(self, scope: Scope, headers: RequestHeaders, receive: Receive, answer: Answer) -> None:
        """The application's answer, or a refusal; an unexpected exception is logged and becomes a 500.

        Starlette's own handler of unexpected exceptions is outside of every middleware, so its response would have neither
        the headers nor an entry in metrics and log.
        """
        path = scope["path"].removeprefix(scope["root_path"])
        try:
            app = self.metrics_port.of(scope, path) or self._refusal(scope, path, headers) or self.app
            await app(scope, receive, answer.send)
        except ClientDisconnect:
            pass
        except Exception as error:
            log.error("bug", exc_info=error)
            if answer.began:
                raise  # part of a response is sent, so the server must close the connection
            await errors.server_error()(scope, receive, answer.send)

    def _refusal(self, scope: Scope, path: str, headers: RequestHeaders) -> ASGIApp | None:
        """The response to a request that is not let in, or to a browser that asks before it sends."""
        try:
            if scope["method"] == "OPTIONS" and headers.requested_method and headers.origin:
                self.access.check_host(path, scope["http_version"], headers)
                return _preflight(self.access.allows(headers.origin[0].decode("latin-1")))
            self.access.check(scope["method"], path, scope["http_version"], headers)
            if not path:  # relative addresses of the page need the slash
                return RedirectResponse(f"{self.root_path}/", 308)
        except errors.ProblemError as problem:
            scope["state"]["rejected"] = problem.reason
            refusal = errors.response(problem.status, problem.detail, **errors.members(path, problem.detail))
            if problem.status == 401:
                refusal.raw_headers.extend(CHALLENGES)
            return refusal
        return None


def _preflight(allowed: bool) -> Response:
    response = Response(status_code=204 if allowed else 403)
    if allowed:
        response.raw_headers = list(PREFLIGHT)
    return response


def _first(values: list[bytes]) -> bytes | None:
    return values[0] if values else None


class Answer:
    """The response of one request on its way out."""

    __slots__ = ("began", "edge", "headers", "identity", "is_head", "packing", "scope", "send_on", "status")

    def __init__(
        self,
        edge: Edge,
        scope: Scope,
        headers: RequestHeaders,
        identity: Identity,
        send: Send,
        is_head: bool,
    ) -> None:
        self.edge = edge
        self.scope = scope
        self.headers = headers
        self.identity = identity
        self.send_on = send
        self.is_head = is_head
        self.status = CLIENT_CLOSED_REQUEST
        """HTTP status; this one until a response begins."""
        self.began = 0.0
        """When the response's status was sent, in seconds of ``time.monotonic``; 0 before."""
        self.packing: Packing | None = None

    async def send(self, message: Message) -> None:
        """ASGI's ``send`` of the application."""
        if message["type"] != "http.response.start":
            await (self._forward if self.packing is None else self.packing.body)(message)
            return
        self.status = message["status"]
        headers: RawHeaders = list(message["headers"])
        message = {**message, "headers": headers}
        self._dress(headers)
        compressible = is_compressible(self.status, headers)
        if compressible and is_short(headers):
            add_vary(headers, b"Accept-Encoding")
            await self._forward(message)
        elif compressible:
            self.packing = Packing(message, accepts_gzip(self.headers.accept_encoding), self._forward)
        else:
            await self._forward(message)

    async def _forward(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.began = time.monotonic()
        elif self.is_head:
            message = {**message, "body": b""}
        await self.send_on(message)

    def _dress(self, headers: RawHeaders) -> None:
        add_missing(headers, self.edge.headers)
        headers.append((b"x-request-id", self.identity.request_id.encode("ascii")))
        notes = self.scope["state"].get("notes")
        if notes:
            headers.append((_NOTES, encoded_notes(notes)))
        access = self.edge.access
        if access.shares and self.headers.origin:
            origin = self.headers.origin[0].decode("latin-1")
            if access.allows(origin):
                share(headers, origin, anybody=access.any_origin)
