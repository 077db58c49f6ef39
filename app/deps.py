"""What routes of the API and of the page both need from a request."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request

from .engine import Engine

# Over-long values are refused before they cost anything.
ModelName = Annotated[
    str | None, Query(max_length=200, description="one of the service's models; the first is the default")
]


def engine_of(request: Request) -> Engine:
    """The application's engine."""
    engine: Engine = request.app.state.engine
    return engine


EngineDep = Annotated[Engine, Depends(engine_of)]
