"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

import http
import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from sge.errors import (
    CheckpointError,
    ImageError,
    ImageTooCostlyError,
    MissingPackageError,
    SGEError,
    TooManyPixelsError,
    UnknownModelError,
    UnsupportedFormatError,
)

from . import identity
from .curl import curl_line
from .parameter_problems import sentences

log = logging.getLogger("sge.app")
MEDIA_TYPE = "application/problem+json"


class ProblemError(Exception):
    """A refusal with its HTTP status.

    Args:
        status: HTTP status code.
        detail: A sentence that says what to do next.
        reason: One word for the metrics.
        retry_after_s: Seconds after which the client may try again.
        headers: Further headers of the response.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        reason: str,
        retry_after_s: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.headers = headers or {}


_STATUS: tuple[tuple[type[SGEError], int, str], ...] = (
    (TooManyPixelsError, 413, "pixels"),
    (UnsupportedFormatError, 415, "format"),
    (ImageTooCostlyError, 422, "cost"),
    (ImageError, 422, "broken"),
    (UnknownModelError, 404, "model"),
    (SGEError, 422, "parameter"),
)
_OF_THE_SERVER = (CheckpointError, MissingPackageError)
"""Errors that no request causes: files or packages of the service have changed under it. Their sentences name its paths."""
_SENTENCES = {
    400: "The request cannot be read. Send it again with another HTTP library or with curl.",
    404: "Nothing is served under this address; /openapi.json lists what is.",
    405: "This address does not accept {method}{methods}.",
}


def as_problem(error: SGEError) -> ProblemError:
    """The problem document of a library error, with its status."""
    if isinstance(error, _OF_THE_SERVER):
        log.error("model unusable", extra={"reason": str(error)})
        return ProblemError(
            503,
            "Files that this model needs were changed while the service runs; its log says which. After a restart it uses "
            "the present ones.",
            "failed",
            60,
        )
    status, reason = next((status, reason) for kind, status, reason in _STATUS if isinstance(error, kind))
    return ProblemError(status, str(error), reason)


def body(status: int, detail: str) -> dict[str, Any]:
    """The members of a problem document."""
    title = http.HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}


def response(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    """A problem document, with the ids of the request."""
    return JSONResponse(body(status, detail) | identity.members() | more, status, headers, MEDIA_TYPE)


def members(path: str, detail: str) -> dict[str, Any]:
    """Further members of a problem document: the Open Inference Protocol calls the sentence ``error``."""
    return {"error": detail} if path == "/v2" or path.startswith("/v2/") else {}


def server_error() -> JSONResponse:
    """The response to an unexpected exception; it tells nothing about it."""
    return response(500, "This is a fault of the server, not of your request; its log says more.")


def install(app: FastAPI) -> None:
    """Turns every expected error into a problem document; ``middleware.Edge`` has the unexpected ones."""

    @app.exception_handler(ProblemError)
    async def _problem(request: Request, error: ProblemError) -> JSONResponse:
        return _answer(request, error)

    @app.exception_handler(SGEError)
    async def _user_error(request: Request, error: SGEError) -> JSONResponse:
        return _answer(request, as_problem(error))

    @app.exception_handler(RequestValidationError)
    async def _parameters(request: Request, error: RequestValidationError) -> JSONResponse:
        request.state.rejected = "parameter"
        wrong = sentences(request, error.errors())
        return response(422, " ".join(wrong), errors=wrong, **_members(request, " ".join(wrong)))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers or {})
        detail = str(error.detail)
        if detail == http.HTTPStatus(error.status_code).phrase:
            detail = _SENTENCES.get(error.status_code, "The request was refused.").format(
                method=request.method[:20], methods=_methods(request, headers.get("Allow"))
            )
        if headers.get("Allow") == "GET":
            headers["Allow"] = "GET, HEAD"  # see middleware.root_path
        return response(error.status_code, detail, headers, **_members(request, detail))


def _answer(request: Request, problem: ProblemError) -> JSONResponse:
    request.state.rejected = problem.reason
    retry = {} if problem.retry_after_s is None else {"Retry-After": str(problem.retry_after_s)}
    more = _members(request, problem.detail)
    if problem.status == 503:
        more["reason"] = problem.reason
    return response(problem.status, problem.detail, problem.headers | retry, **more)


def _members(request: Request, detail: str) -> dict[str, Any]:
    return members(request.scope["path"].removeprefix(request.scope.get("root_path", "")), detail)


def _methods(request: Request, allowed: str | None) -> str:
    """What an address accepts instead, as the end of a sentence."""
    if not allowed:
        return ", only GET and HEAD"
    if allowed == "POST":
        return f", only POST with an image: {curl_line(request)}"
    return f", only {allowed}"
