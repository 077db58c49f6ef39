"""The page, its samples, and their analyses, which are made once."""

from __future__ import annotations

import json
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException

from app import responses as answers
from app.api import EngineDep, ModelName
from app.requests import working
from sge.paths import shipped

router = APIRouter(include_in_schema=False)
templates = Jinja2Templates(shipped("templates"))


def static_folder() -> Path:
    """Where styles, scripts and samples lie."""
    return shipped("static")


def samples() -> list[dict[str, str]]:
    """The shipped images: ``id``, ``file``, ``title``, ``credit``, ``licence``, ``source``."""
    listed: list[dict[str, str]] = json.loads(
        (static_folder() / "samples" / "samples.json").read_text("utf-8")
    )
    return listed


def modules() -> list[str]:
    """Paths of the page's scripts below ``static/js``, which the browser preloads instead of import by import."""
    folder = static_folder() / "js"
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*.js"))
    return sorted(path for path in paths if path != "report.js")


@router.head("/")
@router.get("/")
async def index(request: Request, engine: EngineDep) -> Response:
    """The one page."""
    return templates.TemplateResponse(
        request,
        "index.html",
        {
            "samples": samples(),
            "limits": engine.settings,
            "modules": modules(),
        },
    )


@router.get("/samples/{sample}/analysis")
async def sample_analysis(
    sample: str, request: Request, engine: EngineDep, model: ModelName = None
) -> Response:
    """A sample's analysis, as ``POST /api/v1/analyze`` gives it; remembered for each model."""
    listed = next((one for one in samples() if one["id"] == sample), None)
    if listed is None:
        raise HTTPException(404, f"No sample {sample!r}.")
    known: dict[tuple[str, str], bytes] = request.app.state.sample_analyses
    key = (sample, engine.slot(model).name)
    if key not in known:
        async with working(engine, model):
            data = await engine.run((static_folder() / "samples" / listed["file"]).read_bytes)
            analysis = await engine.analyze(data, name=listed["file"], model=model)
            known[key] = bytes((await engine.run(answers.ANALYSES["json"], analysis)).body)
    return Response(known[key], media_type="application/json")
