"""The analyses of the page's sample images: made once for each model, kept in memory, and given also under overload."""

from __future__ import annotations

import asyncio
import gzip
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import responses
from .effect_choice import AnalysisChoice, AttributionChoice
from .engine import Engine
from .slots import Slot
from .uploads import Upload

GZIP_LEVEL = 6
MAX_FORMS = 32
"""Bodies that are kept for one sample and model; others are made again for each request."""
PATIENCE = 4.0
"""How many time limits of a request the making of one analysis may take: it is not made for one request alone."""


@dataclass(frozen=True)
class Packed:
    """A gzipped body."""

    data: bytes
    media_type: str


class Samples:
    """Analyses of samples.

    Args:
        engine: Makes them. They are not admitted as requests are: there are few, and each is made once.
        folder: Of the image files.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self._records: dict[tuple[str, str], asyncio.Task[dict[str, Any]]] = {}
        self._bodies: dict[tuple[str, str], dict[tuple[str, ...], Packed]] = {}

    async def analysis(self, file: str, slot: Slot, form: responses.AnalysisForm) -> Packed:
        """A sample's analysis, as ``POST /api/v1/analyze?target=predicted`` gives it.

        Args:
            file: Name of the image file.
            slot: A model.
            form: How it is written.

        Raises:
            ProblemError: 503, the model is not loaded; or what the engine raises.
        """
        slot.require_lens()
        key = (file, slot.name)
        bodies = self._bodies.setdefault(key, {})
        name = (form.format, "all" if form.blocks is None else "some", *(form.blocks or ()))
        if (body := bodies.get(name)) is None:
            body = await self.engine.run(_pack, await self._record(key, slot), form)
            if len(bodies) < MAX_FORMS:
                bodies[name] = body
        return body

    async def _record(self, key: tuple[str, str], slot: Slot) -> dict[str, Any]:
        task = self._records.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._records[key] = asyncio.create_task(self._make(key[0], slot))
        return await asyncio.shield(task)  # a client that disconnects does not end what others wait for

    async def _make(self, file: str, slot: Slot) -> dict[str, Any]:
        engine, lens = self.engine, slot.require_lens()
        data = await engine.run((self.folder / file).read_bytes)
        patience = PATIENCE * engine.settings.time_limit_s
        until = time.monotonic() + patience
        admission = engine.own_work(Upload(data, file), "effects", until, slot.name, lens.passes())
        work = AnalysisChoice(attribution=_effects(slot)).run
        analysis = await engine.compute(admission, lens, work)
        return await engine.run(responses.analysis_record, analysis, responses.abilities(lens))


def _pack(record: dict[str, Any], form: responses.AnalysisForm) -> Packed:
    body = responses.record_response(record, form)
    return Packed(gzip.compress(body.body, GZIP_LEVEL, mtime=0), str(body.media_type))


def _effects(slot: Slot) -> AttributionChoice | None:
    """The effects by which the page sorts: of all groups, or without gradients of those of the opening block.

    None without groups or without classes.
    """
    if not (slot.groups and slot.has_classes):
        return None
    return AttributionChoice(blocks=None if slot.require_lens().has_gradients else [slot.default_block])
