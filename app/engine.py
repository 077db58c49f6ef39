"""The engine between the event loop, the worker processes and the model threads; CONTRIBUTING tells a request's way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sge.analysis import Analysis, Prediction
from sge.devices import available_cores
from sge.errors import UnknownModelError
from sge.images import Frame, inspect
from sge.lens import Lens

from .admission import Admission, Admissions
from .cost import Costs
from .errors import ProblemError
from .lookout import Lookout
from .metrics import Metrics
from .scheduler import Job, Scheduler, runs_beside
from .settings import Settings
from .slots import Slot, Slots
from .turns import Turns
from .uploads import Upload
from .workers import tasks
from .workers.pool import Used, WorkerPool

T = TypeVar("T")
STOP_S = 60.0
"""Seconds that running work may take when the engine stops, unless ``stop`` is given a deadline."""
INSPECTED_HERE = 1024 * 1024
"""Bytes of an upload above which even its structure is read off the event loop."""


class Engine:
    """Answers admitted uploads.

    Args:
        settings: Limits and models.
        metrics: Receives the queue depth, the batch sizes and the seconds of each stage.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings, self.metrics = settings, metrics
        cores = settings.threads or available_cores()
        self._limits = settings.structure_limits
        self._models = Slots(settings, metrics)
        self.slots = self._models.slots
        self.default = next(iter(self.slots))
        """Name of the model that answers if a request names none."""
        self.costs = Costs()
        self.pool = WorkerPool(settings, metrics)
        self.scheduler = Scheduler(cores, settings.max_batch, metrics)
        self.admissions = Admissions(
            self.costs, settings.workers, cores, max(settings.max_admitted_bytes, 2 * settings.max_bytes)
        )
        self._lookout = Lookout(self.admissions)
        # One task more than workers, so that the next one is there when a worker is done.
        self._workers = Turns(settings.workers + 1, max(1, settings.workers - 1))
        frames = settings.workers + (cores + 1) * (1 + settings.max_batch)
        self._frames = Turns(frames, frames // 2)
        self._stopping = False
        self._threads: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Starts loading the models and returns at once. A stopped engine can be started again."""
        self._stopping = False
        self._threads = ThreadPoolExecutor(self.settings.encode_threads, thread_name_prefix="sge-encode")
        self.pool.start()
        self.scheduler.start(asyncio.get_running_loop())
        self._models.start()

    async def stop(self, deadline: float | None = None) -> None:
        """Finishes admitted requests, then ends threads and processes; no further model is loaded.

        Args:
            deadline: Time of ``time.monotonic`` after which nothing is waited for.
        """
        self._stopping = True
        deadline = time.monotonic() + STOP_S if deadline is None else deadline
        while self.admissions.count and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        await asyncio.gather(
            self.pool.stop(deadline),
            asyncio.to_thread(self.scheduler.stop, deadline),
            asyncio.to_thread(self._models.stop, deadline),
        )
        if self._threads is not None:
            await asyncio.to_thread(self._threads.shutdown, time.monotonic() < deadline, cancel_futures=True)

    @property
    def ready(self) -> bool:
        """Whether every model is loaded, and workers and model threads answer."""
        return not self.reasons()

    def reasons(self) -> list[str]:
        """Why the service is not ready, as parts of a sentence; nothing if it is."""
        reasons = [slot.error or f"{slot.name} is loading" for slot in self.slots.values() if not slot.ready]
        if self._stopping:
            reasons.append("the service is shutting down")
        if not self.pool.alive:
            reasons.append("no process that decodes images runs")
        if not self.scheduler.answers(self.settings.time_limit_s):
            reasons.append("no thread that runs models answers")
        return reasons

    @property
    def depth(self) -> int:
        """Number of images admitted and not yet answered."""
        return self.admissions.count

    @property
    def waiting(self) -> int:
        """Number of frames that no model thread has taken yet."""
        return self.scheduler.waiting

    def slot(self, name: str | None) -> Slot:
        """A model by name; None is the default.

        Raises:
            UnknownModelError: The service has no such model; the message lists its models.
        """
        try:
            return self.slots[name or self.default]
        except KeyError:
            raise UnknownModelError(f"No model {name!r} here; there are: {', '.join(self.slots)}.") from None

    @asynccontextmanager
    async def admission(
        self, upload: Upload, kind: str, deadline: float, rows: float = 1, model: str | None = None
    ) -> AsyncIterator[Admission]:
        """Admits a complete upload, until its request is answered.

        Args:
            upload: From ``read_upload``.
            kind: What is asked, in one word: costs are learned by it.
            deadline: In seconds of ``time.monotonic``.
            rows: Rows of forward passes that the answer takes; inputs of other sizes count by their pixels.
            model: Name of the model that answers; None is the default.

        Raises:
            ImageError: The file's structure is refused.
            ProblemError: 503 with the seconds after which the request will be admitted; also while it waits, once it could
                not be answered in time any more.
        """
        if self._stopping:
            raise ProblemError(503, "The service is shutting down. Try again in a minute.", "stopping", 60)
        if len(upload.data) > INSPECTED_HERE:
            structure = await self.run(inspect, upload.data, self._limits)
        else:
            structure = inspect(upload.data, self._limits)
        wanted = Admission(upload, kind, deadline, rows, model or self.default)
        wanted.format, wanted.megapixels = structure.format, structure.pixels / 1e6
        lens = self.slot(model).lens
        wanted.alone = lens is not None and not runs_beside(lens)
        with self.admissions.admit(wanted):
            self.metrics.queue_depth.set(self.depth)
            try:
                with self._lookout.over(wanted):
                    yield wanted
            finally:
                self.metrics.queue_depth.set(self.depth - 1)

    def own_work(self, upload: Upload, kind: str, deadline: float, model: str, rows: float = 1) -> Admission:
        """What the service makes for itself: it is not refused, and older than every request."""
        own = Admission(upload, kind, deadline, rows, model)
        own.since = own.idle_since = time.monotonic()
        own.expect("model", self.costs.expected(f"model {kind}", rows, model))
        return own

    async def predict(
        self, admission: Admission, lens: Lens, framing: str = "whole", top_k: int = 5
    ) -> list[Prediction]:
        """The classes of an admitted image, best first; no maps are read and no parts are found.

        If the caller is cancelled while the image waits, it gets no forward pass.

        Raises:
            SGEError: The image cannot be decoded, or the network cannot be run.
            ProblemError: 503 if the worker process died or had no core, 504 past the deadline.
        """
        predictions: list[Prediction] = await self._answer(admission, lens, framing, "predict", top_k=top_k)
        return predictions

    async def analyze(
        self,
        admission: Admission,
        lens: Lens,
        framing: str = "whole",
        top_k: int = 5,
        wanted: Any = None,
        preview: int = 0,
    ) -> Analysis:
        """The analysis of an admitted image, without its pixels; as ``predict``.

        Args:
            admission: Gets facts, and the preview if one is asked for.
            lens: Of the model.
            framing: ``whole`` or ``center``.
            top_k: Number of classes.
            wanted: ``sge.lens.Wanted``: blocks and signals; None is everything.
            preview: Longest side, in pixels, of a preview of the decoded image; 0 for none.
        """
        analysis: Analysis = await self._answer(
            admission, lens, framing, "analyze", preview, top_k=top_k, wanted=wanted
        )
        return analysis

    async def compute(
        self,
        admission: Admission,
        lens: Lens,
        work: Callable[[Lens, Frame], T],
        framing: str = "whole",
        preview: int = 0,
    ) -> T:
        """``work`` of an admitted image's frame, done alone on a model thread; as ``analyze``."""
        result: T = await self._answer(admission, lens, framing, "compute", preview, work=work)
        return result

    async def draw(
        self, task: Callable[..., T], admission: Admission, *args: object, pixels: bool = True
    ) -> T:
        """Runs a task of ``app/workers/tasks.py`` that draws the answer.

        Args:
            task: Its first argument is the upload's bytes, its last one the limits of structure, if it needs the pixels.
            admission: Of the upload.
            args: What is between.
            pixels: Whether the task decodes the upload.

        Raises:
            SGEError: The image cannot be decoded or drawn.
            ProblemError: 503 if the worker process died or had no core, 504 past the deadline.
        """
        given = (admission.upload.data, *args, self._limits) if pixels else args
        return await self._work(admission, "draw", task, *given)

    async def run(self, work: Callable[..., T], *args: object) -> T:
        """Runs the encoding of an answer in a thread, off the event loop."""
        started = time.monotonic()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        finally:
            self.metrics.stage("encode", started, time.monotonic())

    async def _work(self, admission: Admission, step: str, task: Callable[..., T], *args: object) -> T:
        """Runs a task in a worker process when it is its turn, and learns how long it took."""
        large = admission.large(step)
        asked = time.monotonic()
        used = Used()
        async with self._workers.turn(admission.order, large=large):
            self.admissions.begin(admission)
            begun = time.monotonic()
            result = await self.pool.run(task, *args, large=large, deadline=admission.deadline, used=used)
        self.metrics.stage("wait", asked, begun)
        self.metrics.stage("decode" if step == "prepare" else "draw", begun, time.monotonic())
        self.admissions.learn(admission, step, used.seconds, used.cpu_s)
        self.admissions.done(admission, step)
        return result

    async def _answer(
        self, admission: Admission, lens: Lens, framing: str, kind: str, preview: int = 0, **asked: Any
    ) -> Any:
        """Decodes and frames the upload in a worker process, and runs the network on a model thread."""
        upload, long = admission.upload, admission.large("model")
        async with self._frames.turn(admission.order, large=admission.large("prepare") or long):
            prepared = await self._work(
                admission,
                "prepare",
                tasks.prepare,
                upload.data,
                upload.name,
                lens.model.preprocess,
                framing,
                self._limits,
                preview,
                self.settings.jpeg_draft,
            )
            admission.facts, admission.preview = prepared.facts, prepared.preview
            job = Job(kind, lens, prepared, long=long, order=admission.order, **asked)
            submitted = time.monotonic()
            admission.job = job
            self.scheduler.submit(job)
            result = await job.result
        self.metrics.stage("wait", submitted, job.began)
        self.metrics.stage("model", job.began, time.monotonic())
        self.admissions.learn(admission, "model", job.seconds, job.cpu_s)
        self.admissions.done(admission, "model")
        return result
