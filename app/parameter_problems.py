"""Sentences for parameters of a request that pydantic refuses: what was given, and which values there are."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from fastapi import Request

from .client_text import shown


def sentences(request: Request, errors: Iterable[Mapping[str, Any]]) -> list[str]:
    """One sentence for each parameter that cannot be used.

    Args:
        request: Its route tells which values a parameter may have.
        errors: Of ``RequestValidationError``; pydantic's own messages are not shown.
    """
    dependant = getattr(request.scope.get("route"), "dependant", None)
    fields = [] if dependant is None else [*dependant.query_params, *dependant.path_params]
    known = {field.alias: field.field_info for field in fields}
    return list(dict.fromkeys(_sentence(error, known) for error in errors))


def _sentence(error: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    name = next((str(step) for step in error["loc"][1:2]), "")
    info = known.get(name)
    if info is None:
        return "The request has a part that cannot be read; /api/v1/openapi.json describes what it may have."
    kind, limit = _kind_of(info.annotation, info.metadata)
    if error["type"] == "missing":
        return f"{name} is missing. Add {name}= to the address: {info.description or kind}."
    if error["type"] == "too_long":
        return f"{name} is given more than {limit} times. Give it at most {limit} times."
    if error["type"] == "string_too_long":
        return f"{name} has {len(str(error['input']))} characters. Give {kind}."
    value = error["input"]
    found = shown(repr(value)) if isinstance(value, str | int | float) else "not usable"
    return f"{name} is {found}. Give {kind}."


def _kind_of(annotation: Any, metadata: Iterable[Any]) -> tuple[str, int | None]:
    """The values that a parameter may have, in words, and its largest length or number."""
    limits = {
        name: getattr(entry, name)
        for entry in metadata
        for name in ("ge", "le", "max_length")
        if getattr(entry, name, None) is not None
    }
    if get_origin(annotation) is Annotated:
        inner, *entries = get_args(annotation)
        nested = [more for entry in entries for more in getattr(entry, "metadata", [entry])]
        return _kind_of(inner, nested)
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(each for each in get_args(annotation) if each is not type(None))
    longest = limits.get("max_length")
    if get_origin(annotation) is list:
        return _kind_of(get_args(annotation)[0], [])[0], longest
    if get_origin(annotation) is Literal:
        *others, last = (repr(value) for value in get_args(annotation))
        return f"{', '.join(others)} or {last}" if others else last, None
    if annotation is bool:
        return "true or false", None
    if annotation in (int, float):
        kind = "a whole number" if annotation is int else "a number"
        return f"{kind} from {limits['ge']} to {limits['le']}" if len(limits) == 2 else kind, None
    return f"at most {longest} characters" if longest else "text", longest
