"""The REST API, ``/api/v1``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from app import responses as answers
from app.engine import Engine, Slot
from app.errors import ProblemError
from app.metrics import CONTENT_TYPE
from app.openapi import BINARY, IMAGE_BODY, IMAGE_PROBLEMS, problems
from app.requests import look, working
from app.schemas import AnalysisOut, HealthOut, MasksOut, ModelOut, PredictionOut
from sge.errors import ChoiceError


def refuse_unknown_names(request: Request) -> None:
    """A misspelt parameter must not pass for its default.

    Raises:
        ChoiceError: a query parameter that the route has not; the message lists those that it has.
    """
    known = [field.alias for field in request.scope["route"].dependant.query_params]
    if request.method == "POST" and (unknown := [name for name in request.query_params if name not in known]):
        raise ChoiceError(f"No parameter {unknown[0][:80]!r}; there are: {', '.join(known)}.")


router = APIRouter(prefix="/api/v1", dependencies=[Depends(refuse_unknown_names)])

# Long values are refused before they cost anything.
ModelName = Annotated[
    str | None, Query(max_length=200, description="one of the service's models; the first is the default")
]
TopK = Annotated[int, Query(ge=1, le=1000, description="how many classes")]
Framing = Annotated[Literal["whole", "center"], Query(description="all of the image, or its centre square")]
Signal = Annotated[
    Literal["mask", "similarity"] | None,
    Query(description="by default mask, and similarity where every gate sleeps"),
]


def engine_of(request: Request) -> Engine:
    """The application's engine."""
    engine: Engine = request.app.state.engine
    return engine


EngineDep = Annotated[Engine, Depends(engine_of)]


@router.post(
    "/predict", response_model=list[PredictionOut], responses=IMAGE_PROBLEMS, openapi_extra=IMAGE_BODY
)
async def predict(
    request: Request, engine: EngineDep, model: ModelName = None, framing: Framing = "whole", top_k: TopK = 5
) -> Response:
    """The classes that the network sees, best first."""
    async with working(engine, model):
        analysis = await look(request, engine, model, framing, top_k)
    return _json([asdict(one) for one in analysis.predictions])


_MASK_TYPES = {
    kind: {"schema": BINARY} for kind in ("application/octet-stream", "application/zip", "image/png")
}


@router.post(
    "/masks",
    response_model=MasksOut,
    responses=IMAGE_PROBLEMS | {200: {"content": _MASK_TYPES}},
    openapi_extra=IMAGE_BODY,
)
async def masks(
    request: Request,
    engine: EngineDep,
    blocks: Annotated[
        str | None, Query(max_length=2000, description="names separated by commas; all by default")
    ] = None,
    groups: Annotated[
        str | None, Query(max_length=500, description="numbers or ranges: 0,3,8-15; all by default")
    ] = None,
    signal: Signal = None,
    format: Annotated[
        Literal["json", "npz", "safetensors", "png"],
        Query(description="png: a contact sheet of one block"),
    ] = "json",
    model: ModelName = None,
    framing: Framing = "whole",
) -> Response:
    """Masks, or similarity, of the blocks and groups that are named."""
    async with working(engine, model):
        analysis = await look(request, engine, model, framing)
        chosen = answers.choose(analysis, blocks, groups, signal, one_block=format == "png")
        return await engine.run(answers.MASKS[format], analysis, chosen)


@router.post(
    "/overlay",
    response_class=Response,
    responses=IMAGE_PROBLEMS | {200: {"content": {"image/png": {"schema": BINARY}}}},
    openapi_extra=IMAGE_BODY,
)
async def overlay(
    request: Request,
    engine: EngineDep,
    block: Annotated[
        str | None, Query(max_length=200, description="a block's name; the default block if none")
    ] = None,
    group: Annotated[
        str, Query(max_length=500, description="numbers or ranges, up to six: 17 or 3,17")
    ] = "0",
    signal: Signal = None,
    colormap: Annotated[Literal["magma", "viridis", "cividis", "inferno", "plasma"], Query()] = "magma",
    opacity: Annotated[float, Query(ge=0, le=1)] = 0.6,
    scale: Annotated[Literal["relative", "absolute"], Query()] = "relative",
    legend: bool = True,
    model: ModelName = None,
    framing: Framing = "whole",
) -> Response:
    """The image at its own size with one group's map over it, or several, each in its own colour."""
    async with working(engine, model):
        analysis = await look(request, engine, model, framing)
        chosen = answers.choose(analysis, block, group, signal, one_block=True)
        options = {
            "signal": signal,
            "colormap": colormap,
            "opacity": opacity,
            "scale": scale,
            "legend": legend,
        }
        return await engine.run(answers.overlay_png, analysis, chosen, options)


@router.post(
    "/analyze",
    response_model=AnalysisOut,
    responses=IMAGE_PROBLEMS | {200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
    openapi_extra=IMAGE_BODY,
)
async def analyze(
    request: Request,
    engine: EngineDep,
    format: Literal["json", "html"] = "json",
    top_k: TopK = 5,
    model: ModelName = None,
    framing: Framing = "whole",
) -> Response:
    """Predictions, blocks, masks, similarity, parts and geometry, from one forward pass."""
    async with working(engine, model):
        analysis = await look(request, engine, model, framing, top_k)
        return await engine.run(answers.ANALYSES[format], analysis)


@router.get("/models", responses=problems(500))
async def models(engine: EngineDep) -> list[ModelOut]:
    """Every model of the service: card, blocks, memory, ready or not."""
    return [_model_out(engine, slot) for slot in engine.slots.values()]


@router.get("/models/{name}", responses=problems(404, 422, 500))
async def model_by_name(name: Annotated[str, Path(max_length=200)], engine: EngineDep) -> ModelOut:
    """One model."""
    return _model_out(engine, engine.slot(name))


def _model_out(engine: Engine, slot: Slot) -> ModelOut:
    lens = slot.lens
    about: dict[str, Any] = dict.fromkeys(
        ("device", "precision", "memory_bytes", "parameters", "classes", "preprocess", "card")
    )
    if lens is not None:
        tensors = [*lens.network.parameters(), *lens.network.buffers()]
        about = {
            "device": str(lens.device),
            "precision": lens.precision,
            "memory_bytes": sum(t.numel() * t.element_size() for t in tensors),
            "parameters": lens.model.parameters,
            "classes": len(lens.model.labels),
            "preprocess": asdict(lens.model.preprocess),
            "card": lens.model.card.to_dict(),
        }
    blocks = [asdict(block) for block in slot.blocks]
    return ModelOut.model_validate(
        about
        | {
            "name": slot.name,
            "ready": slot.ready,
            "default": slot.name == engine.default,
            "error": slot.error,
            "blocks": blocks,
        }
    )


@router.head("/health/live", include_in_schema=False)
@router.get("/health/live", responses=problems(500))
async def live() -> HealthOut:
    """200 while the process runs."""
    return HealthOut(status="live")


@router.head("/health/ready", include_in_schema=False)
@router.get("/health/ready", responses=problems(500, 503))
async def ready(engine: EngineDep) -> HealthOut:
    """200 when every model answers; 503 before."""
    if not engine.ready:
        waiting = [
            slot.error or f"{slot.name} is loading" for slot in engine.slots.values() if not slot.ready
        ]
        raise ProblemError(503, f"Not ready: {'; '.join(waiting)}.", "loading", 2)
    return HealthOut(status="ready")


@router.get(
    "/metrics",
    response_class=Response,
    responses=problems(500) | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(engine: EngineDep) -> Response:
    """Prometheus text."""
    return Response(engine.metrics.text(), media_type=CONTENT_TYPE)


def _json(value: object) -> Response:
    return Response(json.dumps(value), media_type="application/json")
