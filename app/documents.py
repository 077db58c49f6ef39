"""What describes the API: the OpenAPI document, a page that renders it, a text for language models, and the icon."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request, Response

from . import pages
from .deps import EngineDep
from .docs_page import operations, schemas
from .stored_bodies import StoredBody

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
@router.get("/api/v1/openapi.json")
async def openapi_json(request: Request) -> Response:
    """The OpenAPI document."""
    state = request.app.state
    if not hasattr(state, "openapi_body"):
        state.openapi_body = StoredBody.of(
            json.dumps(described(request), ensure_ascii=False, separators=(",", ":")).encode(),
            "application/json",
        )
    return state.openapi_body.response(request)  # type: ignore[no-any-return]


def described(request: Request) -> dict[str, Any]:
    """The OpenAPI document, with the path below which the service is offered."""
    document: dict[str, Any] = request.app.openapi()
    return document | {"servers": [{"url": request.scope.get("root_path") or "/"}]}


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The OpenAPI document as a page, without scripts."""
    document = described(request)
    return pages.templates.TemplateResponse(
        request,
        "docs.html",
        {
            "assets": pages.assets_path(request),
            "document": document,
            "operations": operations(document, request),
            "schemas": schemas(document),
        },
    )


@router.get("/llms.txt")
async def llms_txt(request: Request, engine: EngineDep) -> Response:
    """What a language model needs to use the service, in the form of llmstxt.org."""
    values = {
        "root": request.scope.get("root_path") or "",
        "limits": engine.settings,
        "models": list(engine.slots),
    }
    text = pages.templates.get_template("llms.txt").render(values)
    return Response(text, media_type="text/plain")


@router.get("/favicon.ico")
async def favicon(request: Request) -> Response:
    """The icon that browsers ask for where no page names one."""
    state = request.app.state
    if not hasattr(state, "favicon_body"):
        data = (pages.static_folder() / "favicon.ico").read_bytes()
        state.favicon_body = StoredBody.of(data, "image/x-icon", compress=False)
    return state.favicon_body.response(request, "max-age=86400")  # type: ignore[no-any-return]
