"""Analyses as response bodies; runs in the pool, since drawing and packing take time."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from fastapi import Response
from safetensors.numpy import save as to_safetensors

from sge.analysis.analysis import Analysis
from sge.analysis.contact_sheet import contact_sheet
from sge.analysis.files import to_bytes
from sge.analysis.overlay import overlay
from sge.analysis.record import atlas_record
from sge.arrays import Array
from sge.errors import ChoiceError


@dataclass(frozen=True)
class Chosen:
    """Which maps a request wants."""

    signal: str
    blocks: list[str]
    groups: list[int] | None
    """None: every group."""

    def numbers(self, maps: Array) -> list[int]:
        """The wanted groups of a block."""
        return list(range(len(maps))) if self.groups is None else self.groups


def choose(
    analysis: Analysis, blocks: str | None, groups: str | None, signal: str | None, *, one_block: bool = False
) -> Chosen:
    """Checks the names and numbers of a request.

    Args:
        analysis: What there is.
        blocks: Names separated by commas.
        groups: Numbers and ranges: ``0,3,8-15``.
        signal: ``mask``, ``similarity`` or None.
        one_block: The answer shows a single block; the default block if none is named.

    Raises:
        UnknownBlockError, UnknownGroupError, ChoiceError: a value that is not there; the message lists those that are.
    """
    names = [name.strip() for name in blocks.split(",")] if blocks else []
    if one_block:
        names = names or [analysis.default_block]
        if len(names) > 1:
            raise ChoiceError(f"This answer shows one block; name one of: {', '.join(analysis.masks)}.")
    names = list(dict.fromkeys(names)) or [block.name for block in analysis.blocks]
    spans = parse_groups(groups) if groups else None
    for name in names:
        analysis.maps(name)
        for span in spans or ():
            analysis.group_map(name, span[-1])
    # Only now that every span lies within a block may it be written out.
    numbers = None if spans is None else list(dict.fromkeys(number for span in spans for number in span))
    return Chosen(signal or analysis.signal, names, numbers)


def parse_groups(text: str) -> list[range]:
    """``0,3,8-15`` as spans, none of them empty.

    Raises:
        ChoiceError: another form.
    """
    spans = []
    for piece in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,6})\s*(?:-\s*([0-9]{1,6})\s*)?", piece)
        span = range(int(match[1]), int(match[2] or match[1]) + 1) if match else None
        if not span:
            raise ChoiceError(
                f"groups is {text[:80]!r}; write numbers and ranges, smaller number first, for example 0,3,8-15."
            )
        spans.append(span)
    return spans


def _chosen_maps(analysis: Analysis, chosen: Chosen) -> dict[str, Array]:
    maps = {name: analysis.maps(name, chosen.signal) for name in chosen.blocks}
    return {name: np.ascontiguousarray(values[chosen.numbers(values)]) for name, values in maps.items()}


def _masks_json(analysis: Analysis, chosen: Chosen) -> Response:
    body = {
        "signal": chosen.signal,
        "model": analysis.model.name,
        "image": asdict(analysis.image_info),
        "blocks": {
            name: atlas_record(values) | {"numbers": chosen.numbers(analysis.maps(name))}
            for name, values in _chosen_maps(analysis, chosen).items()
        },
    }
    return Response(json.dumps(body), media_type="application/json")


def _masks_npz(analysis: Analysis, chosen: Chosen) -> Response:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **_chosen_maps(analysis, chosen))  # type: ignore[arg-type]
    return _file(buffer.getvalue(), "application/zip", f"{chosen.signal}.npz")


def _masks_safetensors(analysis: Analysis, chosen: Chosen) -> Response:
    facts = {
        "signal": chosen.signal,
        "model": analysis.model.name,
        "image": json.dumps(asdict(analysis.image_info)),
    }
    return _file(
        to_safetensors(_chosen_maps(analysis, chosen), facts),
        "application/octet-stream",
        f"{chosen.signal}.safetensors",
    )


def _masks_png(analysis: Analysis, chosen: Chosen) -> Response:
    sheet = contact_sheet(analysis, chosen.blocks[0], signal=chosen.signal, groups=chosen.groups)
    return _png(sheet)


MASKS: dict[str, Callable[[Analysis, Chosen], Response]] = {
    "json": _masks_json,
    "npz": _masks_npz,
    "safetensors": _masks_safetensors,
    "png": _masks_png,
}


def overlay_png(analysis: Analysis, chosen: Chosen, options: dict[str, Any]) -> Response:
    """PNG at the original's size."""
    numbers = chosen.numbers(analysis.maps(chosen.blocks[0]))
    return _png(overlay(analysis, chosen.blocks[0], numbers, **options))


def _analysis_json(analysis: Analysis) -> Response:
    return Response(to_bytes(analysis, ".json"), media_type="application/json")


def _analysis_html(analysis: Analysis) -> Response:
    return _file(to_bytes(analysis, ".html"), "text/html; charset=utf-8", "sge-lens-report.html")


ANALYSES: dict[str, Callable[[Analysis], Response]] = {"json": _analysis_json, "html": _analysis_html}


def _png(image: Any) -> Response:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4)
    return Response(buffer.getvalue(), media_type="image/png")


def _file(data: bytes, kind: str, name: str) -> Response:
    return Response(data, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
