"""Parts of the OpenAPI document that FastAPI cannot derive: the problem documents, and the image in the body."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from sge.images import FORMATS, FORMATS_TEXT

from .curl import FIELD
from .errors import MEDIA_TYPE
from .middleware import NOTES_HEADER
from .schemas import Problem

Responses = dict[int | str, dict[str, Any]]

_PROBLEMS = {
    400: "malformed request",
    401: "no key, or not the key of this service",
    403: "a page of another site that may not use this service",
    404: "no such model; the answer lists the models",
    413: "too many bytes or pixels",
    415: "not an accepted image format, or a compression that is not known",
    421: "a host that this service is not offered as",
    422: "a broken image, or an unknown block, group or parameter value; the answer lists the valid ones",
    500: "an error of the server",
    503: "the queue is full or the model is loading; see Retry-After",
    504: "past the time limit",
}
_RETRY = {"Retry-After": {"description": "seconds", "schema": {"type": "integer", "minimum": 1}}}
_NOTES = {
    "description": "what the decoder warned about or assumed: a JSON list of sentences, percent-encoded",
    "schema": {"type": "string"},
}
BINARY = {"type": "string", "format": "binary"}


def problems(*codes: int) -> Responses:
    """The ``responses`` argument of a route that can answer with these status codes."""
    return {
        code: {
            "description": _PROBLEMS[code],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            **({"headers": _RETRY} if code == 503 else {}),
        }
        for code in codes
    }


BEFORE_ROUTING = (400, 401, 403, 421)
"""What ``middleware.access`` answers: every operation has these, 403 only where it may change or cost something."""
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


def complete(app: FastAPI) -> None:
    """Adds what every operation has: the schema of problems, refusals before routing, keys, and notes on an image."""
    document = app.openapi()
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "the key of a service that has one"},
        "basic": {"type": "http", "scheme": "basic", "description": "any name, and the key as the password"},
    }
    document["security"] = [{}, {"bearer": []}, {"basic": []}]
    for item in document["paths"].values():
        for method, operation in item.items():
            before = problems(*(code for code in BEFORE_ROUTING if code != 403 or method == "post"))
            operation["responses"] = {str(code): each for code, each in before.items()} | operation[
                "responses"
            ]
            if "requestBody" in operation:
                operation["responses"]["200"]["headers"] = {NOTES_HEADER: _NOTES}
            operation["responses"] = dict(sorted(operation["responses"].items()))
