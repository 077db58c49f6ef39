"""``POST /image``: the decoded image, which is what the network sees before it is resized."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from . import drawn
from .deps import EngineDep, refuse_unknown_names
from .known_queries import KnownQueries
from .openapi import BINARY, IMAGE_BODY, problems
from .requests import admitted

router = APIRouter(prefix="/api/v1", route_class=KnownQueries, dependencies=[Depends(refuse_unknown_names)])


@router.post(
    "/image",
    response_class=Response,
    responses=problems(400, 413, 415, 422, 500, 503, 504)
    | {200: {"content": {"image/png": {"schema": BINARY}, "image/jpeg": {"schema": BINARY}}}},
    openapi_extra=IMAGE_BODY,
)
async def image(
    request: Request,
    engine: EngineDep,
    max_side: Annotated[
        int | None,
        Query(ge=1, le=65_535, description="longest side in pixels; by default the size is kept"),
    ] = None,
    format: Annotated[
        Literal["png", "jpeg"],
        Query(description="png is exact; jpeg is smaller, and PNG above 65,500 pixels"),
    ] = "png",
) -> Response:
    """The image as it is analyzed: upright, in sRGB, transparency on white, first frame."""
    async with admitted(request, engine, "image") as admission:
        return await drawn.decoded_image(engine, admission, max_side, format)
