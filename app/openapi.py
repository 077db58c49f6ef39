"""What the OpenAPI document says beyond the routes' own types: the problems, and the image in the body."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from app.errors import MEDIA_TYPE
from app.schemas import Problem
from app.uploads import FIELD
from sge.images.decode import FORMATS, FORMATS_TEXT

Responses = dict[int | str, dict[str, Any]]

_PROBLEMS = {
    400: "malformed request",
    404: "no such model; the answer lists them",
    413: "too many bytes or pixels",
    415: "not an image format that is accepted",
    422: "a broken image, or an unknown block, group or parameter value; the answer lists the valid ones",
    500: "a fault of the server",
    503: "the queue is full or the model is loading; see Retry-After",
    504: "past the time limit",
}
_RETRY = {"Retry-After": {"description": "seconds", "schema": {"type": "integer", "minimum": 1}}}
BINARY = {"type": "string", "format": "binary"}


def problems(*codes: int) -> Responses:
    """The ``responses`` of a route that can refuse with these codes."""
    return {
        code: {
            "description": _PROBLEMS[code],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            **({"headers": _RETRY} if code == 503 else {}),
        }
        for code in codes
    }


IMAGE_PROBLEMS = problems(*_PROBLEMS)
IMAGE_BODY = {
    "requestBody": {
        "required": True,
        "description": FORMATS_TEXT,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": [FIELD], "properties": {FIELD: BINARY}}
            },
            **{f"image/{kind.lower()}": {"schema": BINARY} for kind in FORMATS},
        },
    }
}


def describe_problems(app: FastAPI) -> None:
    """Adds the schema that ``problems`` points to."""
    document = app.openapi()
    document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
