"""``POST /analyze``: predictions, parts and maps of an image, with effects of groups if they are asked for."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from sge.analysis import ATLAS_MEDIA_TYPE
from sge.errors import ChoiceError
from sge.lens import Wanted

from . import drawn, responses
from .deps import BlockNames, EngineDep, Framing, ModelName, TopK, refuse_unknown_names
from .effect_api import MAX_GROUPS_TEXT, Controls, Mode, Seed
from .effect_choice import AnalysisChoice, AttributionChoice, choose_ablation, choose_attribution
from .known_queries import KnownQueries
from .map_choice import choose_blocks
from .openapi import BINARY, IMAGE_BODY, IMAGE_PROBLEMS
from .requests import admitted
from .schemas import AnalysisOut
from .slots import Slot

router = APIRouter(prefix="/api/v1", route_class=KnownQueries, dependencies=[Depends(refuse_unknown_names)])

_TYPES = {"text/html": {"schema": {"type": "string"}}, ATLAS_MEDIA_TYPE: {"schema": BINARY}}
Format = Annotated[
    Literal["json", "atlas", "html"],
    Query(
        description="atlas: as json, with plain maps behind it in place of PNGs; html: a report that opens without a network"
    ),
]
Target = Annotated[
    str | None,
    Query(max_length=200, description="adds the attribution of this class: label, index, or predicted"),
]
Method = Annotated[
    Literal["auto", "gradient"],
    Query(
        description="for a model without gradients: auto removes each group of blocks= alone, and gradient leaves the "
        "attribution out, also for a model without classes"
    ),
]
Ablate = Annotated[
    str | None,
    Query(max_length=MAX_GROUPS_TEXT, description="adds the ablation of these groups, as in /ablate"),
]
Rest = Annotated[
    bool,
    Query(
        description="with format=atlas and blocks=: behind the answer, as its file `rest`, an atlas with the maps of all "
        "other blocks. What stands before it can be used while it arrives"
    ),
]
View = Annotated[
    str | None,
    Query(max_length=2000, description="settings that an html report opens with, as in the page's address"),
]
PartsBy = Annotated[
    Literal["mix", "groups"],
    Query(
        description="what parts are read from: mix (groups and single channels) or groups alone; a model that has one of "
        "the two finders alone answers with that one"
    ),
]
Preview = Annotated[
    int,
    Query(ge=0, le=4096, description="adds the decoded image, at most so many pixels a side; 0: none"),
]


@router.post(
    "/analyze",
    response_model=AnalysisOut,
    responses=IMAGE_PROBLEMS | {200: {"content": _TYPES}},
    openapi_extra=IMAGE_BODY,
)
async def analyze(
    request: Request,
    engine: EngineDep,
    format: Format = "json",
    top_k: TopK = 5,
    blocks: BlockNames = None,
    rest: Rest = False,
    target: Target = None,
    method: Method = "auto",
    ablate: Ablate = None,
    mode: Mode = "mean",
    controls: Controls = 10,
    seed: Seed = 0,
    view: View = None,
    preview: Preview = 0,
    parts_by: PartsBy = "mix",
    model: ModelName = None,
    framing: Framing = "whole",
) -> Response:
    """Predictions, blocks, masks, similarity, parts and geometry; effects of groups if asked for."""
    slot = engine.slot(model)
    lens = slot.require_lens()
    names = choose_blocks(slot, blocks)
    if rest and (format != "atlas" or names is None):
        raise ChoiceError("rest=true needs format=atlas, and in blocks= the blocks whose maps come first.")
    chosen = AnalysisChoice(
        top_k,
        _attribution(slot, target, blocks, method),
        choose_ablation(slot, ablate, mode, controls, seed) if ablate else None,
        Wanted(None if names is None or rest else tuple(names), parts_by=parts_by),
    )
    form = responses.AnalysisForm(format, names, rest)
    rows = lens.passes(framing, chosen.wanted)
    async with admitted(request, engine, _cost_kind(format, chosen), rows) as admission:
        if chosen.is_plain:
            analysis = await engine.analyze(admission, lens, framing, top_k, chosen.wanted, preview)
        else:
            analysis = await engine.compute(admission, lens, chosen.run, framing, preview)
        if format == "html":
            return await drawn.report(engine, admission, analysis, view)
        can = responses.abilities(lens)
        return await engine.run(responses.analysis_response, analysis, form, can, admission.preview)


def _cost_kind(format: str, chosen: AnalysisChoice) -> str:
    """Costs of analyses are learned apart with and without effects."""
    return "report" if format == "html" else "analyze" if chosen.is_plain else "effects"


def _attribution(slot: Slot, target: str | None, blocks: str | None, method: str) -> AttributionChoice | None:
    if not target:
        return None
    if method == "gradient" and not slot.has_classes:
        return None
    if slot.require_lens().has_gradients:  # one pass gives the effects of all blocks
        return choose_attribution(slot, target)
    if method == "gradient":
        return None
    return choose_attribution(slot, target, blocks)
