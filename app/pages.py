"""The page, its sample images, and the analyses of the samples, which are made once."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException

from sge.paths import shipped

from . import responses
from .deps import BlockNames, EngineDep, ModelName
from .map_choice import choose_blocks

OTHER_ENTRIES = ("embed.js", "report.js")
"""Entry points of the page in a frame and of the report, which the page does not load."""

router = APIRouter(include_in_schema=False)
templates = Jinja2Templates(shipped("templates"))


def static_folder() -> Path:
    """The folder of styles, scripts and samples."""
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
    return sorted(path for path in paths if path not in OTHER_ENTRIES)


def assets_path(request: Request) -> str:
    """The path of styles and scripts in the page, relative to it."""
    version: str = request.app.state.assets_version.current()
    return f"static/{version}"


@router.get("/")
async def index(request: Request, engine: EngineDep) -> Response:
    """The one page, or with ``?embed=1`` one view of it to be shown in a frame."""
    return templates.TemplateResponse(
        request,
        "embed.html" if request.query_params.get("embed") == "1" else "index.html",
        {
            "samples": samples(),
            "limits": engine.settings,
            "modules": modules(),
            "assets": assets_path(request),
        },
    )


@router.get("/samples/{sample}/analysis")
async def sample_analysis(
    sample: str,
    request: Request,
    engine: EngineDep,
    model: ModelName = None,
    blocks: BlockNames = None,
    format: Literal["json", "atlas"] = "json",
) -> Response:
    """The analysis of a sample, as ``POST /api/v1/analyze?target=predicted`` gives it; stored for each model."""
    listed = next((entry for entry in samples() if entry["id"] == sample), None)
    if listed is None:
        names = ", ".join(entry["id"] for entry in samples())
        raise HTTPException(404, f"No sample {sample[:80]!r}; there are: {names}.")
    slot = engine.slot(model)
    slot.require_lens()  # Its blocks are known once it is loaded.
    form = responses.AnalysisForm(format, choose_blocks(slot, blocks))
    packed = await request.app.state.samples.analysis(listed["file"], slot, form)
    headers = {"Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("accept-encoding", "").lower():
        data = await engine.run(gzip.decompress, packed.data)
        return Response(data, headers=headers, media_type=packed.media_type)
    headers["Content-Encoding"] = "gzip"
    return Response(packed.data, headers=headers, media_type=packed.media_type)
