"""The routes of the REST API about the effect of groups: ``/ablate``, ``/attribute``, ``/steps``."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from . import responses
from .deps import BlockNames, EngineDep, Framing, ModelName, TopK, refuse_unknown_names
from .effect_choice import (
    MAX_CONTROLS,
    choose_ablation,
    choose_attribution,
    choose_steps,
    choose_target,
)
from .known_queries import KnownQueries
from .openapi import IMAGE_BODY, IMAGE_PROBLEMS
from .requests import admitted
from .schemas import AblationOut, AttributionOut, StepsOut

router = APIRouter(prefix="/api/v1", route_class=KnownQueries, dependencies=[Depends(refuse_unknown_names)])

MAX_GROUPS_TEXT = 6000
"""Characters that name groups: enough to write out every number of every block of a shipped network."""
GroupsText = Annotated[
    str,
    Query(
        max_length=MAX_GROUPS_TEXT,
        description="BLOCK:NUMBERS separated by semicolons, numbers as 20,36 or 0-7; a block alone stands for all of its "
        "groups, and all for every group of every SGE block",
    ),
]
Mode = Annotated[
    Literal["mean", "zero", "only"],
    Query(
        description="mean: the groups' masks become their means over space; zero: the groups are removed; only: the other "
        "groups of their blocks are removed"
    ),
]
Controls = Annotated[
    int, Query(ge=0, le=MAX_CONTROLS, description="number of draws of equally many random groups")
]
Seed = Annotated[int, Query(ge=0, le=2**32 - 1, description="seed of the draws")]
Target = Annotated[
    str | None,
    Query(
        max_length=200, description="a class by its label or index; predicted or nothing: the predicted one"
    ),
]
Targets = Annotated[
    list[Annotated[str, Query(max_length=200)]],
    Query(max_length=2, description="up to two further classes to report, by label or index"),
]


@router.post("/ablate", response_model=AblationOut, responses=IMAGE_PROBLEMS, openapi_extra=IMAGE_BODY)
async def ablate(
    request: Request,
    engine: EngineDep,
    groups: GroupsText,
    mode: Mode = "mean",
    controls: Controls = 10,
    seed: Seed = 0,
    target: Targets = [],  # noqa: B006 (FastAPI copies it)
    top_k: TopK = 5,
    model: ModelName = None,
    framing: Framing = "whole",
) -> Response:
    """Scores with the named groups ablated, beside those of the unchanged network and of random groups."""
    slot = engine.slot(model)
    lens = slot.require_lens()
    chosen = choose_ablation(slot, groups, mode, controls, seed)
    targets = [index for text in target if (index := choose_target(slot, text)) is not None]
    async with admitted(request, engine, "ablate", rows=2 + controls) as admission:
        ablation = await engine.compute(admission, lens, chosen.run, framing)
        return await engine.run(responses.ablation_json, ablation, targets, top_k)


@router.post("/attribute", response_model=AttributionOut, responses=IMAGE_PROBLEMS, openapi_extra=IMAGE_BODY)
async def attribute(
    request: Request,
    engine: EngineDep,
    target: Target = None,
    blocks: BlockNames = None,
    method: Annotated[
        Literal["auto", "gradient", "ablation"],
        Query(
            description="gradient: to first order; ablation: each group removed alone; auto: chosen by block"
        ),
    ] = "auto",
    model: ModelName = None,
    framing: Framing = "whole",
) -> Response:
    """Effect of every group on the logit of one class, and Grad-CAM of the class."""
    slot = engine.slot(model)
    lens = slot.require_lens()
    chosen = choose_attribution(slot, target, blocks, method)
    async with admitted(request, engine, "attribute") as admission:
        attribution = await engine.compute(admission, lens, chosen.run, framing)
        return await engine.run(responses.attribution_json, attribution)


@router.post("/steps", response_model=StepsOut, responses=IMAGE_PROBLEMS, openapi_extra=IMAGE_BODY)
async def steps(
    request: Request,
    engine: EngineDep,
    block: Annotated[
        str | None, Query(max_length=200, description="a block's name; by default the model's default block")
    ] = None,
    group: Annotated[int, Query(ge=0, le=999_999, description="a group's number")] = 0,
    model: ModelName = None,
    framing: Framing = "whole",
) -> Response:
    """How one group's mask is made: features, their mean, product, similarity, mask, output."""
    slot = engine.slot(model)
    lens = slot.require_lens()
    chosen = choose_steps(slot, block, group)
    async with admitted(request, engine, "steps") as admission:
        made = await engine.compute(admission, lens, chosen.run, framing)
        return await engine.run(responses.steps_json, made)
