"""What routes of the API and of the page both need from a request."""

from __future__ import annotations

from typing import Annotated, Literal, get_origin

from fastapi import Depends, Query, Request

from sge.errors import ChoiceError

from .engine import Engine

# Over-long values are refused before they cost anything.
ModelName = Annotated[
    str | None, Query(max_length=200, description="one of the service's models; the first is the default")
]

TopK = Annotated[int, Query(ge=1, le=1000, description="number of classes")]
Framing = Annotated[Literal["whole", "center"], Query(description="the whole image, or its center square")]


BlockNames = Annotated[
    str | None,
    Query(
        max_length=2000,
        description="names separated by commas, default for the block that the model opens with; by default all",
    ),
]


async def engine_of(request: Request) -> Engine:
    """The application's engine."""
    engine: Engine = request.app.state.engine
    return engine


EngineDep = Annotated[Engine, Depends(engine_of)]


async def refuse_unknown_names(request: Request) -> None:
    """Refuses query parameters that would be ignored silently: one that the route does not have, and repeated ones.

    Raises:
        ChoiceError: An unknown parameter (the message lists those of the route), or a second value of a single one.
    """
    if request.method != "POST":
        return
    known = {
        field.alias: get_origin(field.field_info.annotation) is list
        for field in request.scope["route"].dependant.query_params
    }
    if unknown := [name for name in request.query_params if name not in known]:
        raise ChoiceError(f"No parameter {unknown[0][:80]!r}; there are: {', '.join(known)}.")
    for name, is_list in known.items():
        if not is_list and len(request.query_params.getlist(name)) > 1:
            raise ChoiceError(f"{name} is given more than once. Give it one value.")
