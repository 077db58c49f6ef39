"""Between the event loop and the lens: a bounded number of places, a decoding pool, and one model thread."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

import torch
from PIL import Image

from app.errors import ProblemError
from app.metrics import Metrics
from app.settings import Settings
from sge.analysis.analysis import Analysis
from sge.analysis.data import BlockInfo
from sge.errors import SGEError, UnknownModelError
from sge.images.decode import decode
from sge.images.framing import Frame, frame
from sge.lens.lens import Lens
from sge.models.registry import load_model

log = logging.getLogger("sge.app")
T = TypeVar("T")


@dataclass
class Slot:
    """One of the service's models, loaded or not."""

    name: str
    source: str
    """What ``load_model`` is given: a name or a weights file."""
    lens: Lens | None = None
    error: str | None = None
    seconds: float = 0.0
    blocks: list[BlockInfo] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        """Whether it answers."""
        return self.lens is not None

    def require_lens(self) -> Lens:
        """The lens.

        Raises:
            ProblemError: 503, still loading or not loadable.
        """
        if self.error is not None:
            raise ProblemError(503, f"{self.name} could not be loaded: {self.error}", "failed", 60)
        if self.lens is None:
            raise ProblemError(
                503, f"{self.name} is still loading. Try again in a few seconds.", "loading", 2
            )
        return self.lens


@dataclass(eq=False)
class Job:
    """A frame that waits for its forward pass."""

    lens: Lens
    frame: Frame
    top_k: int
    answer: Future[Analysis] = field(default_factory=Future)

    def goes_with(self, other: Job) -> bool:
        """Whether both can share a forward pass."""
        return self.lens is other.lens and self.frame.array.shape == other.frame.array.shape


class Engine:
    """Loads the models on the thread that runs them, and answers one analysis an image.

    Args:
        settings: Limits and models.
        metrics: Where queue depth and batch sizes go.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.slots = {name: Slot(name, source) for name, source in settings.sources.items()}
        self.default = next(iter(self.slots))
        """The model that answers when none is named."""
        for name in self.slots:
            metrics.ready.labels(name).set(0)
        self._admitted = 0
        self._seconds_a_image = 0.2
        self._stopping = threading.Event()

    def start(self) -> None:
        """Starts loading; returns at once. A stopped engine may be started again."""
        self._stopping.clear()
        self._jobs: queue.Queue[Job | None] = queue.Queue()
        self._pool = ThreadPoolExecutor(self.settings.decode_threads, thread_name_prefix="sge-decode")
        self._thread = threading.Thread(target=self._work, name="sge-model", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Finishes what is running or queued, then ends the threads; models not yet begun are not loaded."""
        self._stopping.set()
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._pool.shutdown)

    @property
    def ready(self) -> bool:
        """Whether every model answers."""
        return all(slot.ready for slot in self.slots.values())

    def slot(self, name: str | None) -> Slot:
        """A model by name; None is the default.

        Raises:
            UnknownModelError: not one of the service's; the message lists them.
        """
        try:
            return self.slots[name or self.default]
        except KeyError:
            raise UnknownModelError(f"No model {name!r} here; there are: {', '.join(self.slots)}.") from None

    @contextmanager
    def place(self) -> Iterator[None]:
        """One of the ``max_queue`` places, held from an image's first byte to its answer.

        Whatever an image costs in memory (its bytes, its pixels, its maps) it costs inside a place.

        Raises:
            ProblemError: 503 with the seconds after which a place is likely.
        """
        if self._admitted >= self.settings.max_queue:
            wait = max(1, round(self._admitted * self._seconds_a_image))
            raise ProblemError(
                503, f"{self._admitted} images are waiting. Try again in {wait} s.", "queue", wait
            )
        self._admitted += 1
        self.metrics.queue_depth.set(self._admitted)
        try:
            yield
        finally:
            self._admitted -= 1
            self.metrics.queue_depth.set(self._admitted)

    async def analyze(
        self,
        data: bytes,
        *,
        name: str | None = None,
        model: str | None = None,
        framing: str = "whole",
        top_k: int = 5,
    ) -> Analysis:
        """One image's analysis: decoded in the pool, looked at on the model's thread.

        To be called inside a ``place``. Where the caller is cancelled, an image that still waits is not
        looked at.

        Raises:
            ProblemError, SGEError: see ``Slot.require_lens`` and ``sge.images.decode``.
        """
        lens = self.slot(model).require_lens()
        framed = await self.run(self._frame, data, name, lens, framing)
        if self._stopping.is_set():  # nobody would ever take the job
            raise ProblemError(503, "The service is shutting down. Try again in a minute.", "stopping", 60)
        job = Job(lens, framed, top_k)
        self._jobs.put(job)
        return await asyncio.wrap_future(job.answer)

    def _frame(self, data: bytes, name: str | None, lens: Lens, framing: str) -> Frame:
        return frame(decode(data, self.settings.max_pixels, name), lens.model.preprocess, framing)

    async def run(self, work: Callable[..., T], *args: object) -> T:
        """Decoding or drawing, in the pool: never on the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)

    def _work(self) -> None:
        torch.set_num_threads(self.settings.threads or os.cpu_count() or 1)
        for slot in self.slots.values():
            if not (slot.ready or self._stopping.is_set()):
                self._load(slot)
        waiting: list[Job] = []
        more = True
        while more or waiting:
            more = self._take_in(waiting, wait=not waiting) and more
            self._answer(self._next_batch(waiting))

    def _take_in(self, waiting: list[Job], *, wait: bool) -> bool:
        """Moves every job that has come into ``waiting``; False once the engine is to stop."""
        try:
            while (job := self._jobs.get(block=wait)) is not None:
                waiting.append(job)
                wait = False
        except queue.Empty:
            return True
        return False

    def _next_batch(self, waiting: list[Job]) -> list[Job]:
        """The oldest job and those after it that fit; the others stay, in their order."""
        batch = [job for job in waiting if job.goes_with(waiting[0])][: self.settings.max_batch]
        waiting[:] = [job for job in waiting if job not in batch]
        # A client that has gone, or a time limit, cancels the answer: its image is not looked at.
        return [job for job in batch if job.answer.set_running_or_notify_cancel()]

    def _answer(self, batch: list[Job]) -> None:
        if not batch:
            return
        self.metrics.batch_sizes.observe(len(batch))
        started = time.perf_counter()
        try:
            analyses = batch[0].lens.analyze_frames(
                [job.frame for job in batch], max(job.top_k for job in batch)
            )
        except Exception as error:
            for job in batch:
                job.answer.set_exception(error)
            return
        seconds = (time.perf_counter() - started) / len(batch)
        self._seconds_a_image = 0.8 * self._seconds_a_image + 0.2 * seconds
        for job, analysis in zip(batch, analyses, strict=True):
            analysis = replace(analysis, predictions=analysis.predictions[: job.top_k])
            job.answer.set_result(analysis)

    def _load(self, slot: Slot) -> None:
        started = time.perf_counter()
        try:
            lens = Lens(load_model(slot.source), self.settings.device, self.settings.precision)
            slot.blocks = lens.analyze(Image.new("RGB", (224, 224), "grey")).blocks
        except SGEError as error:
            slot.error = str(error)
            log.error("model failed", extra={"model": slot.name, "reason": str(error)})
            return
        except Exception as error:
            slot.error = f"{type(error).__name__}; the server's log says more."
            log.exception("model failed", extra={"model": slot.name})
            return
        slot.seconds = round(time.perf_counter() - started, 2)
        slot.lens = lens
        self.metrics.ready.labels(slot.name).set(1)
        log.info(
            "model ready",
            extra={
                "device": str(lens.device),
                "model": slot.name,
                "sha256": lens.model.card.sha256,
                "seconds": slot.seconds,
            },
        )
