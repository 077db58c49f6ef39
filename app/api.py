"""The REST API, ``/api/v1``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from sge.analysis import ATLAS_MEDIA_TYPE, Box, Prediction
from sge.images import Frame
from sge.lens import Lens

from . import drawn, responses
from .deps import BlockNames, EngineDep, Framing, ModelName, TopK, refuse_unknown_names
from .engine import Engine
from .errors import ProblemError
from .known_queries import KnownQueries
from .map_choice import choose_maps, choose_one_block, choose_overlay
from .metrics import CONTENT_TYPE
from .openapi import BINARY, IMAGE_BODY, IMAGE_PROBLEMS, problems
from .requests import admitted
from .schemas import HealthOut, MasksOut, ModelDetailsOut, ModelOut
from .slots import Slot

router = APIRouter(prefix="/api/v1", route_class=KnownQueries, dependencies=[Depends(refuse_unknown_names)])

Signal = Annotated[
    Literal["mask", "similarity"] | None,
    Query(description="by default mask, or similarity if every gate is inactive"),
]


@router.post(
    "/predict", response_model=list[Prediction | Box], responses=IMAGE_PROBLEMS, openapi_extra=IMAGE_BODY
)
async def predict(
    request: Request, engine: EngineDep, model: ModelName = None, framing: Framing = "whole", top_k: TopK = 5
) -> Response:
    """The classes that the network predicts, best first; of a detector, all objects that it finds, with their rectangles."""
    slot = engine.slot(model)
    lens = slot.require_lens()
    found: Sequence[Prediction | Box]
    async with admitted(request, engine, "predict") as admission:
        if slot.has_classes:
            found = await engine.predict(admission, lens, framing, top_k)
        else:
            found = await engine.compute(admission, lens, _boxes, framing)
    return responses.predictions_json(found)


def _boxes(lens: Lens, frame: Frame) -> list[Box]:
    return lens.classify_frames([frame])[0].boxes


_MASK_TYPES = {
    kind: {"schema": BINARY}
    for kind in ("application/octet-stream", "application/zip", ATLAS_MEDIA_TYPE, "image/png")
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
    blocks: BlockNames = None,
    groups: Annotated[
        str | None, Query(max_length=500, description="numbers or ranges: 0,3,8-15; by default all")
    ] = None,
    signal: Signal = None,
    format: Annotated[
        Literal["json", "npz", "safetensors", "atlas", "png"],
        Query(
            description="atlas: as json, with plain maps in place of PNGs; png: a contact sheet of one block"
        ),
    ] = "json",
    model: ModelName = None,
    framing: Framing = "whole",
) -> Response:
    """Masks, or similarity, of the named blocks and groups."""
    slot = engine.slot(model)
    lens = slot.require_lens()
    choose = choose_one_block if format == "png" else choose_maps
    chosen = choose(slot, blocks, groups, signal)
    async with admitted(request, engine, "sheet" if format == "png" else "masks") as admission:
        analysis = await engine.analyze(admission, lens, framing, wanted=chosen.wanted)
        if format == "png":
            return await drawn.sheet(engine, admission, analysis, chosen)
        return await engine.run(responses.MASKS[format], analysis, chosen)


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
        str | None, Query(max_length=200, description="a block's name; by default the model's default block")
    ] = None,
    group: Annotated[
        str, Query(max_length=500, description="numbers or ranges, up to six: 17 or 3,17")
    ] = "0",
    signal: Signal = None,
    colormap: Annotated[Literal["magma", "viridis", "cividis", "inferno", "plasma"], Query()] = "magma",
    opacity: Annotated[float, Query(ge=0, le=1)] = 0.6,
    scale: Annotated[Literal["relative", "absolute"], Query()] = "relative",
    legend: bool = True,
    boxes: Annotated[bool, Query(description="draws the boxes of a detector")] = True,
    model: ModelName = None,
    framing: Framing = "whole",
) -> Response:
    """The image at its own size with the map of one group over it, or of several, each in its own color."""
    slot = engine.slot(model)
    lens = slot.require_lens()
    chosen = choose_overlay(slot, block, group, signal)
    options = {"colormap": colormap, "opacity": opacity, "scale": scale, "legend": legend, "boxes": boxes}
    async with admitted(request, engine, "overlay") as admission:
        analysis = await engine.analyze(admission, lens, framing, wanted=chosen.wanted)
        return await drawn.overlay(engine, admission, analysis, chosen, options)


@router.get("/models", responses=problems(500))
async def models(engine: EngineDep) -> list[ModelOut]:
    """Every model of the service: card, blocks, memory, whether it is loaded."""
    return [_model_out(engine, slot) for slot in engine.slots.values()]


@router.get("/models/{name}", responses=problems(404, 422, 500))
async def model_by_name(name: Annotated[str, Path(max_length=200)], engine: EngineDep) -> ModelDetailsOut:
    """One model, with the labels of its classes."""
    slot = engine.slot(name)
    labels = None if slot.lens is None else slot.lens.model.labels
    return ModelDetailsOut(**dict(_model_out(engine, slot)), labels=labels)


def _model_out(engine: Engine, slot: Slot) -> ModelOut:
    return ModelOut(
        name=slot.name,
        ready=slot.ready,
        default=slot.name == engine.default,
        error=slot.error,
        blocks=slot.blocks,
        part_finders=list(slot.lens.part_finders) if slot.lens else [],
        **_loaded_facts(slot),
    )


def _loaded_facts(slot: Slot) -> dict[str, Any]:
    lens = slot.lens
    if lens is None:
        names = ("device", "precision", "memory_bytes", "parameters", "classes", "preprocess", "card")
        return dict.fromkeys(names)
    return {
        "device": str(lens.device),
        "precision": lens.precision,
        "memory_bytes": lens.memory_bytes,
        "parameters": lens.model.parameters,
        "classes": len(lens.model.labels or ()),
        "preprocess": asdict(lens.model.preprocess),
        "card": lens.model.card.to_dict(),
    }


@router.get("/health/live", responses=problems(500))
async def live() -> HealthOut:
    """200 while the process runs."""
    return HealthOut(status="live")


@router.get("/health/ready", responses=problems(500, 503))
async def ready(engine: EngineDep) -> HealthOut:
    """200 once every model is loaded, and while workers and model threads answer; 503 otherwise."""
    if reasons := engine.reasons():
        raise ProblemError(503, f"Not ready: {'; '.join(reasons)}.", "loading", 2)
    return HealthOut(status="ready")


@router.get(
    "/metrics",
    response_class=Response,
    responses=problems(500) | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(engine: EngineDep) -> Response:
    """Prometheus text."""
    return Response(engine.metrics.text(), media_type=CONTENT_TYPE)
