"""Analyses as response bodies. Drawing and packing take time, so all of this runs in the engine's pool."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from fastapi import Response
from PIL import Image
from safetensors.numpy import save as to_safetensors

from sge.analysis import (
    Ablation,
    Analysis,
    Attribution,
    GroupSteps,
    Prediction,
    ablation_report,
    atlas_record,
    attribution_record,
    draw_contact_sheet,
    draw_overlay,
    encode_image,
    html_report,
    json_text,
    steps_record,
    to_bytes,
    to_record,
)
from sge.arrays import Array
from sge.images import DecodedImage

from .map_choice import MapChoice


def _chosen_maps(analysis: Analysis, chosen: MapChoice) -> dict[str, Array]:
    maps = {name: analysis.maps(name, chosen.signal) for name in chosen.blocks}
    return {name: np.ascontiguousarray(values[chosen.numbers(len(values))]) for name, values in maps.items()}


def _masks_json(analysis: Analysis, chosen: MapChoice) -> Response:
    body = {
        "signal": chosen.signal,
        "model": analysis.model.name,
        "image": asdict(analysis.image_info),
        "blocks": {
            name: atlas_record(values) | {"numbers": chosen.numbers(len(analysis.maps(name)))}
            for name, values in _chosen_maps(analysis, chosen).items()
        },
    }
    return _json(body)


def _masks_npz(analysis: Analysis, chosen: MapChoice) -> Response:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **_chosen_maps(analysis, chosen))  # type: ignore[arg-type]
    return _file(buffer.getvalue(), "application/zip", f"{chosen.signal}.npz")


def _masks_safetensors(analysis: Analysis, chosen: MapChoice) -> Response:
    facts = {
        "signal": chosen.signal,
        "model": analysis.model.name,
        "image": json_text(asdict(analysis.image_info)),
    }
    return _file(
        to_safetensors(_chosen_maps(analysis, chosen), facts),
        "application/octet-stream",
        f"{chosen.signal}.safetensors",
    )


def _masks_png(analysis: Analysis, chosen: MapChoice) -> Response:
    sheet = draw_contact_sheet(analysis, chosen.blocks[0], signal=chosen.signal, groups=chosen.groups)
    return _png(sheet)


MASKS: dict[str, Callable[[Analysis, MapChoice], Response]] = {
    "json": _masks_json,
    "npz": _masks_npz,
    "safetensors": _masks_safetensors,
    "png": _masks_png,
}


def overlay_png(analysis: Analysis, chosen: MapChoice, options: dict[str, Any]) -> Response:
    """PNG of the original's size; ``options`` are those of ``sge.analysis.draw_overlay``."""
    (block,) = chosen.blocks
    numbers = chosen.numbers(len(analysis.maps(block)))
    return _png(draw_overlay(analysis, block, numbers, signal=chosen.signal, **options))


def _analysis_json(analysis: Analysis, _view: str | None, preview: int) -> Response:
    if not preview:
        return Response(to_bytes(analysis, ".json"), media_type="application/json")
    return _json(to_record(analysis) | {"preview": encode_image(analysis.require_image(), preview).url})


def _analysis_html(analysis: Analysis, view: str | None, _preview: int) -> Response:
    report = html_report(analysis, view)
    return _file(report.encode(), "text/html; charset=utf-8", "sge-lens-report.html")


ANALYSES: dict[str, Callable[[Analysis, str | None, int], Response]] = {
    "json": _analysis_json,
    "html": _analysis_html,
}


def decoded_image(image: DecodedImage, max_side: int | None, format: str) -> Response:
    """The upright sRGB image that is analyzed."""
    encoded = encode_image(image.rgb, max_side, format)
    return Response(encoded.data, media_type=encoded.media_type)


def predictions_json(predictions: list[Prediction]) -> Response:
    """The classes, best first."""
    return _json([asdict(prediction) for prediction in predictions])


def ablation_json(ablation: Ablation, targets: list[int], top_k: int) -> Response:
    """The classes that matter, and ``targets``, before and after."""
    return _json(ablation_report(ablation, targets, top_k))


def attribution_json(attribution: Attribution) -> Response:
    """Effects and Grad-CAM of one class."""
    return _json(attribution_record(attribution))


def steps_json(steps: GroupSteps) -> Response:
    """The steps of one group's mask."""
    return _json(steps_record(steps))


def _json(record: dict[str, Any] | list[Any]) -> Response:
    return Response(json_text(record), media_type="application/json")


def _png(image: Image.Image) -> Response:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4)
    return Response(buffer.getvalue(), media_type="image/png")


def _file(data: bytes, kind: str, name: str) -> Response:
    return Response(data, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
