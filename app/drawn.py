"""Answers that are drawn from the upload's pixels, in a worker process."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from sge.analysis import Analysis

from .admission import Admission
from .engine import Engine
from .map_choice import MapChoice
from .workers import tasks


async def overlay(
    engine: Engine, admission: Admission, analysis: Analysis, chosen: MapChoice, options: dict[str, Any]
) -> Response:
    """PNG of the original's size; ``options`` are those of ``sge.analysis.draw_overlay``."""
    (block,) = chosen.blocks
    numbers = chosen.numbers(len(analysis.maps(block, chosen.signal)))
    shown = tasks.only_block(analysis, block)
    given = options | {"signal": chosen.signal}
    data = await engine.draw(tasks.draw_overlay, admission, shown, block, numbers, given)
    return Response(data, media_type="image/png")


async def sheet(engine: Engine, admission: Admission, analysis: Analysis, chosen: MapChoice) -> Response:
    """PNG of one block's maps, side by side."""
    (block,) = chosen.blocks
    shown = tasks.only_block(analysis, block)
    data = await engine.draw(
        tasks.draw_sheet, admission, shown, block, chosen.signal, chosen.groups, pixels=False
    )
    return Response(data, media_type="image/png")


async def report(engine: Engine, admission: Admission, analysis: Analysis, view: str | None) -> Response:
    """The stand-alone HTML report."""
    data = await engine.draw(tasks.html_report, admission, analysis, view)
    name = 'attachment; filename="sge-lens-report.html"'
    return Response(data, media_type="text/html; charset=utf-8", headers={"Content-Disposition": name})


async def decoded_image(engine: Engine, admission: Admission, max_side: int | None, format: str) -> Response:
    """The upright sRGB image that is analyzed."""
    encoded = await engine.draw(tasks.encode_image, admission, max_side, format)
    admission.facts = encoded.facts
    return Response(encoded.data, media_type=encoded.media_type)
