"""Analyses as response bodies. Drawing and packing take time, so all of this runs in the engine's pool."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from fastapi import Response
from safetensors.numpy import save as to_safetensors
from starlette.types import Receive, Scope, Send

from sge.analysis import (
    ATLAS_MEDIA_TYPE,
    Ablation,
    Analysis,
    Attribution,
    Box,
    GroupSteps,
    Prediction,
    ablation_report,
    attribution_record,
    cells_record,
    json_body,
    json_text,
    npz_file,
    pack_atlases,
    steps_record,
    to_record,
    with_blocks,
)
from sge.arrays import Array
from sge.lens import Lens

from .map_choice import MapChoice
from .workers.tasks import Encoded

_OF_BLOCKS = ("masks", "similarity", "energy", "focus", "included")
"""What a record has of each block, and of which."""


def _chosen_maps(analysis: Analysis, chosen: MapChoice) -> dict[str, Array]:
    maps = {name: analysis.maps(name, chosen.signal) for name in chosen.blocks}
    if chosen.groups is not None:
        maps = {name: values[chosen.groups] for name, values in maps.items()}
    return {name: np.ascontiguousarray(values) for name, values in maps.items()}


def _masks_record(analysis: Analysis, chosen: MapChoice) -> dict[str, Any]:
    return {
        "signal": chosen.signal,
        "model": analysis.model.name,
        "image": asdict(analysis.image_info),
        "blocks": {
            name: cells_record(values) | {"numbers": chosen.numbers(len(analysis.maps(name, chosen.signal)))}
            for name, values in _chosen_maps(analysis, chosen).items()
        },
    }


def _masks_json(analysis: Analysis, chosen: MapChoice) -> Response:
    return _json_maps(_masks_record(analysis, chosen))


def _masks_atlas(analysis: Analysis, chosen: MapChoice) -> Response:
    return _packed(_masks_record(analysis, chosen))


def _masks_npz(analysis: Analysis, chosen: MapChoice) -> Response:
    return _file(npz_file(_chosen_maps(analysis, chosen)), "application/zip", f"{chosen.signal}.npz")


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


MASKS: dict[str, Callable[[Analysis, MapChoice], Response]] = {
    "json": _masks_json,
    "atlas": _masks_atlas,
    "npz": _masks_npz,
    "safetensors": _masks_safetensors,
}


@dataclass(frozen=True)
class AnalysisForm:
    """How a request wants an analysis to be written."""

    format: str = "json"
    """``json`` or ``atlas``."""
    blocks: list[str] | None = None
    """The blocks whose maps are written; None for all."""
    rest: bool = False
    """Whether an ``atlas`` of some blocks has that of all others behind it, as its file ``rest``."""


def abilities(lens: Lens) -> dict[str, bool]:
    """What a model can do beside an analysis; see ``schemas.CanOut``."""
    return {"gradients": lens.has_gradients, "steps": lens.has_gradients}


def analysis_response(
    analysis: Analysis, form: AnalysisForm, can: dict[str, bool], preview: Encoded | None
) -> Response:
    """An analysis as JSON or as a binary body with plain maps.

    Args:
        analysis: Its image is not needed.
        form: From the request.
        can: From ``abilities``.
        preview: The decoded image, if it is wanted.
    """
    return record_response(analysis_record(analysis, can), form, preview)


def analysis_record(analysis: Analysis, can: dict[str, bool]) -> dict[str, Any]:
    """An analysis with its maps as arrays of 8 bits, from which ``record_response`` makes every answer."""
    return to_record(analysis, cells_record) | {"can": can}


def record_response(record: dict[str, Any], form: AnalysisForm, preview: Encoded | None = None) -> Response:
    """An ``analysis_record`` as JSON or as a binary body with plain maps."""
    whole = record
    if form.blocks is not None:
        record = with_blocks(record, form.blocks)
    if form.format == "atlas":
        file = {} if preview is None else {"preview": {"type": preview.media_type, "data": preview.data}}
        return (
            _InTwoParts(record | file, _others(whole, form.blocks or []))
            if form.rest
            else _packed(record | file)
        )
    return _json_maps(record if preview is None else record | {"preview": _url(preview)})


def _others(record: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """What a record has of each block that is not among ``names``."""
    others = [block["name"] for block in record["blocks"] if block["name"] not in names]
    return {key: value for key, value in with_blocks(record, others).items() if key in _OF_BLOCKS}


def _url(file: Encoded) -> str:
    return f"data:{file.media_type};base64,{base64.b64encode(file.data).decode('ascii')}"


def predictions_json(found: Sequence[Prediction | Box]) -> Response:
    """The classes or boxes, best first."""
    return _json([vars(one) for one in found])


def ablation_json(ablation: Ablation, targets: list[int], top_k: int) -> Response:
    """The classes that matter, and ``targets``, before and after."""
    return _json(ablation_report(ablation, targets, top_k))


def attribution_json(attribution: Attribution) -> Response:
    """Effects and Grad-CAM of one class."""
    return _json(attribution_record(attribution))


def steps_json(steps: GroupSteps) -> Response:
    """The steps of one group's mask."""
    return _json(steps_record(steps))


class _InTwoParts(Response):
    """An atlas that has another one behind it. The first part is sent alone, so that it does not wait for the second."""

    media_type = ATLAS_MEDIA_TYPE

    def __init__(self, record: dict[str, Any], rest: dict[str, Any]) -> None:
        second = pack_atlases(rest)
        super().__init__(pack_atlases(record | {"rest": {"type": ATLAS_MEDIA_TYPE, "data": second}}))
        self.first_bytes = len(self.body) - len(second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for part, more in ((self.body[: self.first_bytes], True), (self.body[self.first_bytes :], False)):
            await send({"type": "http.response.body", "body": bytes(part), "more_body": more})


def _json(record: dict[str, Any] | list[Any]) -> Response:
    return Response(json_text(record), media_type="application/json")


def _json_maps(record: dict[str, Any]) -> Response:
    return Response(json_body(record), media_type="application/json")


def _packed(record: dict[str, Any]) -> Response:
    return Response(pack_atlases(record), media_type=ATLAS_MEDIA_TYPE)


def _file(data: bytes, kind: str, name: str) -> Response:
    return Response(data, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
