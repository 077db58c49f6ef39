"""The OpenAPI document in the form that the page ``/docs`` shows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from .curl import FIELD, base_address

METHODS = ("get", "post")
EXAMPLES = {"groups": "blocks.5.0:20,36", "name": "sge_efficientnet_lite0_tuned"}
"""Values for parameters that have no default, in commands."""


@dataclass(frozen=True)
class Row:
    """A parameter of an operation or a property of a schema."""

    name: str
    kind: str
    note: str = ""
    required: bool = False


@dataclass(frozen=True)
class Answer:
    """One status that an operation may answer with."""

    status: str
    text: str
    types: list[str]
    schema: str | None = None
    """Name of the schema of its JSON."""


@dataclass(frozen=True)
class Operation:
    """One route and method."""

    anchor: str
    method: str
    path: str
    text: str
    rows: list[Row]
    body: list[str]
    """Media types of the request's body."""
    answers: list[Answer]
    problems: list[Answer]
    command: str
    """A shell command that asks for it."""


@dataclass(frozen=True)
class Schema:
    """A schema by its name."""

    name: str
    text: str
    rows: list[Row] = field(default_factory=list)


def operations(document: dict[str, Any], request: Request) -> list[Operation]:
    """Every operation of the document, in its order."""
    base = base_address(request)
    return [
        _operation(method, path, item[method], base)
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]


def schemas(document: dict[str, Any]) -> list[Schema]:
    """Every named schema of the document."""
    found = document.get("components", {}).get("schemas", {})
    return [
        Schema(name, schema.get("description", ""), _properties(schema))
        for name, schema in sorted(found.items())
    ]


def _properties(schema: dict[str, Any]) -> list[Row]:
    required = schema.get("required", ())
    return [
        Row(name, kind_of(each), each.get("description", ""), name in required)
        for name, each in schema.get("properties", {}).items()
    ]


def _operation(method: str, path: str, operation: dict[str, Any], base: str) -> Operation:
    rows = [
        Row(
            each["name"],
            kind_of(each["schema"]),
            each.get("description") or each["schema"].get("description", ""),
            each.get("required", False),
        )
        for each in operation.get("parameters", ())
    ]
    body = list(operation.get("requestBody", {}).get("content", ()))
    answers = [_answer(status, each) for status, each in operation["responses"].items()]
    return Operation(
        anchor=re.sub(r"[^a-z0-9]+", "-", f"{method}{path}".lower()).strip("-"),
        method=method.upper(),
        path=path,
        text=operation.get("description") or operation.get("summary", ""),
        rows=rows,
        body=body,
        answers=[answer for answer in answers if int(answer.status) < 400],
        problems=[answer for answer in answers if int(answer.status) >= 400],
        command=_command(path, operation, base),
    )


def _answer(status: str, response: dict[str, Any]) -> Answer:
    content = response.get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    named = schema.get("$ref") or schema.get("items", {}).get("$ref")
    return Answer(
        status, response.get("description", ""), list(content), named.rsplit("/", 1)[1] if named else None
    )


def _command(path: str, operation: dict[str, Any], base: str) -> str:
    required = [each for each in operation.get("parameters", ()) if each.get("required")]
    query = "&".join(
        f"{each['name']}={EXAMPLES.get(each['name'], '')}" for each in required if each["in"] == "query"
    )
    for each in required:
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", EXAMPLES.get(each["name"], "1"))
    address = f'"{base}{path}?{query}"' if query else f"{base}{path}"
    content = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in content:
        return f"curl -F {FIELD}=@photo.jpg {address}"
    return (
        f"curl -H 'Content-Type: application/json' -d @request.json {address}"
        if content
        else f"curl {address}"
    )


def kind_of(schema: dict[str, Any]) -> str:
    """What a schema allows, in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[1])
    if "anyOf" in schema:
        kinds = [kind_of(each) for each in schema["anyOf"] if each.get("type") != "null"]
        return _with_default(" or ".join(dict.fromkeys(kinds)), schema)
    if "enum" in schema:
        return _with_default(", ".join(map(str, schema["enum"])), schema)
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("type", "any value")
    if kind == "array":
        inner = kind_of(schema["items"]) if "items" in schema else "any value"
        return f"list of {inner}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {kind_of(schema['additionalProperties'])}"
    limits = [
        f"{word} {schema[key]:g}"
        for word, key in (("at least", "minimum"), ("at most", "maximum"))
        if key in schema
    ]
    return _with_default(" ".join([kind, *limits]), schema)


def _with_default(text: str, schema: dict[str, Any]) -> str:
    default = schema.get("default")
    if default is None or default == []:
        return text
    return f"{text}; by default {str(default).lower() if isinstance(default, bool) else default}"
