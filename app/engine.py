"""The engine between the event loop and the lenses: bounded admission, a decoding pool, and one model thread."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import torch

from sge.analysis import Analysis, Prediction
from sge.errors import UnknownModelError
from sge.images import DecodedImage, Frame, decode, frame
from sge.lens import Lens

from .admission import Admission
from .errors import ProblemError
from .metrics import Metrics
from .settings import Settings
from .slots import Slot
from .uploads import Upload

T = TypeVar("T")
Work = Callable[[Lens, Frame], Any]
"""A computation that cannot share its passes with other images, such as an ablation."""


@dataclass(eq=False)
class Job:
    """A frame that waits for its forward pass."""

    kind: Literal["analyze", "predict", "compute"]
    lens: Lens
    frame: Frame
    top_k: int = 5
    work: Work | None = None
    """What a ``compute`` job does, alone."""
    result: Future[Any] = field(default_factory=Future)
    """An ``Analysis`` for ``analyze``, ``list[Prediction]`` for ``predict``, and for ``compute`` what ``work`` returns."""

    def goes_with(self, other: Job) -> bool:
        """Whether both jobs can share a forward pass."""
        if "compute" in (self.kind, other.kind):
            return self is other
        return (
            self.kind == other.kind
            and self.lens is other.lens
            and self.frame.array.shape == other.frame.array.shape
        )


class Engine:
    """Loads the models on the thread that runs them, and answers one job an image.

    Args:
        settings: Limits and models.
        metrics: Receives the queue depth and the batch sizes.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.slots = {name: Slot(name, source) for name, source in settings.sources.items()}
        self.default = next(iter(self.slots))
        """Name of the model that answers if a request names none."""
        for name in self.slots:
            metrics.ready.labels(name).set(0)
        self._depth = 0
        self._seconds_per_image = 0.2
        self._stopping = threading.Event()
        self._jobs: queue.Queue[Job | None] = queue.Queue()
        self._pool, self._thread = self._new_threads()

    def _new_threads(self) -> tuple[ThreadPoolExecutor, threading.Thread]:
        return (
            ThreadPoolExecutor(self.settings.decode_threads, thread_name_prefix="sge-decode"),
            threading.Thread(target=self._work, name="sge-model", daemon=True),
        )

    def start(self) -> None:
        """Starts loading the models and returns at once. A stopped engine can be started again."""
        if self._stopping.is_set():
            self._stopping.clear()
            self._pool, self._thread = self._new_threads()
        self._thread.start()

    async def stop(self) -> None:
        """Finishes the running and the queued jobs, then ends the threads; no further model is loaded."""
        self._stopping.set()
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._pool.shutdown)

    @property
    def ready(self) -> bool:
        """Whether every model is loaded."""
        return all(slot.ready for slot in self.slots.values())

    @property
    def depth(self) -> int:
        """Number of images admitted and not yet answered."""
        return self._depth

    @property
    def waiting(self) -> int:
        """Number of jobs that the model thread has not yet taken."""
        return self._jobs.qsize()

    def slot(self, name: str | None) -> Slot:
        """A model by name; None is the default.

        Raises:
            UnknownModelError: The service has no such model; the message lists its models.
        """
        try:
            return self.slots[name or self.default]
        except KeyError:
            raise UnknownModelError(f"No model {name!r} here; there are: {', '.join(self.slots)}.") from None

    @contextmanager
    def admission(self, upload: Upload, kind: str, deadline: float, rows: int = 1) -> Iterator[Admission]:
        """Admits a complete upload, until its request is answered.

        Args:
            upload: From ``read_upload``.
            kind: What is asked, in one word: costs are learned by it.
            deadline: In seconds of ``time.monotonic``.
            rows: Rows of forward passes that the answer takes.

        Raises:
            ProblemError: 503 with the seconds after which an admission is likely.
        """
        if self._depth >= self.settings.max_queue:
            wait = max(1, round(self._depth * self._seconds_per_image))
            raise ProblemError(
                503, f"{self._depth} images are waiting. Try again in {wait} s.", "queue", wait
            )
        self._set_depth(self._depth + 1)
        try:
            yield Admission(upload, kind, deadline, rows)
        finally:
            self._set_depth(self._depth - 1)

    def _set_depth(self, depth: int) -> None:
        self._depth = depth
        self.metrics.queue_depth.set(depth)

    async def predict(
        self, admission: Admission, lens: Lens, framing: str = "whole", top_k: int = 5
    ) -> list[Prediction]:
        """The classes of an admitted image, best first; no maps are read and no parts are found.

        If the caller is cancelled while the image waits, it gets no forward pass.

        Raises:
            ImageError: The image cannot be decoded.
            ProblemError: 503, the engine is stopping.
        """
        predictions: list[Prediction] = await self._answer_of("predict", admission, lens, framing, top_k)
        return predictions

    async def analyze(
        self,
        admission: Admission,
        lens: Lens,
        framing: str = "whole",
        top_k: int = 5,
        wanted: object = None,
    ) -> Analysis:
        """The analysis of an admitted image; as ``predict``. ``wanted`` names blocks and signals; None is everything."""
        analysis: Analysis = await self._answer_of("analyze", admission, lens, framing, top_k)
        return analysis

    async def compute(
        self,
        admission: Admission,
        lens: Lens,
        work: Callable[[Lens, Frame], T],
        framing: str = "whole",
    ) -> T:
        """``work`` of an admitted image's frame, done alone on a model thread; as ``predict``."""
        result: T = await self._answer_of("compute", admission, lens, framing, work=work)
        return result

    async def draw(self, task: Callable[..., T], admission: Admission, *args: object) -> T:
        """``task(decoded image, *args)``, for an answer that needs the pixels of the upload.

        Raises:
            ImageError: The image cannot be decoded.
        """
        return await self.run(task, await self._decode(admission), *args)

    async def _decode(self, admission: Admission) -> DecodedImage:
        upload = admission.upload
        image = await self.run(decode, upload.data, self.settings.max_pixels, upload.name)
        admission.facts = image
        return image

    async def _answer_of(
        self,
        kind: Literal["analyze", "predict", "compute"],
        admission: Admission,
        lens: Lens,
        framing: str,
        top_k: int = 5,
        work: Work | None = None,
    ) -> Any:
        image = await self._decode(admission)
        framed = await self.run(frame, image, lens.model.preprocess, framing)
        if self._stopping.is_set():  # the model thread would never take the job
            raise ProblemError(503, "The service is shutting down. Try again in a minute.", "stopping", 60)
        job = Job(kind, lens, framed, top_k, work)
        self._jobs.put(job)
        return await asyncio.wrap_future(job.result)

    async def run(self, work: Callable[..., T], *args: object) -> T:
        """Runs encoding in a thread, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)

    def _work(self) -> None:
        torch.set_num_threads(self.settings.threads or os.cpu_count() or 1)
        for slot in self.slots.values():
            if not (slot.ready or self._stopping.is_set()):
                slot.load(self.settings.device, self.settings.precision)
                self.metrics.ready.labels(slot.name).set(int(slot.ready))
        pending: list[Job] = []
        more = True
        while more or pending:
            more = self._take_jobs(pending, wait=not pending) and more
            self._run(self._next_batch(pending))

    def _take_jobs(self, pending: list[Job], *, wait: bool) -> bool:
        """Moves every queued job into ``pending``; False once the engine is to stop."""
        try:
            while (job := self._jobs.get(block=wait)) is not None:
                pending.append(job)
                wait = False
        except queue.Empty:
            return True
        return False

    def _next_batch(self, pending: list[Job]) -> list[Job]:
        """The oldest job and later ones that can share its forward pass; the others keep their order."""
        batch = [job for job in pending if job.goes_with(pending[0])][: self.settings.max_batch]
        pending[:] = [job for job in pending if job not in batch]
        # A disconnected client or the time limit has cancelled the result: that image needs no forward pass.
        return [job for job in batch if job.result.set_running_or_notify_cancel()]

    def _run(self, batch: list[Job]) -> None:
        if not batch:
            return
        self.metrics.batch_sizes.observe(len(batch))
        started = time.perf_counter()
        try:
            results = _forward(batch)
        except Exception as error:
            self._fail(batch, error)
            return
        seconds = (time.perf_counter() - started) / len(batch)
        self._seconds_per_image = 0.8 * self._seconds_per_image + 0.2 * seconds
        for job, result in zip(batch, results, strict=True):
            job.result.set_result(result)

    def _fail(self, batch: list[Job], error: Exception) -> None:
        """Gives the error to the image that caused it: a batch is repeated image by image."""
        if len(batch) == 1:
            batch[0].result.set_exception(error)
            return
        for job in batch:
            self._run([job])


def _forward(batch: list[Job]) -> list[Any]:
    """One forward pass for the batch; each result has as many predictions as its job asks for."""
    if (work := batch[0].work) is not None:
        return [work(job.lens, job.frame) for job in batch]
    lens, frames = batch[0].lens, [job.frame for job in batch]
    top_k = max(job.top_k for job in batch)
    if batch[0].kind == "predict":
        predicted = lens.predict_frames(frames, top_k)
        return [predictions[: job.top_k] for job, predictions in zip(batch, predicted, strict=True)]
    return [
        replace(analysis, predictions=analysis.predictions[: job.top_k])
        for job, analysis in zip(batch, lens.analyze_frames(frames, top_k), strict=True)
    ]
