"""The model threads: which frames wait, which go through the network together, and in which order."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sge.images import Frame
from sge.lens import Lens, given_up_when

from .metrics import Metrics
from .workers.tasks import Prepared

Work = Callable[[Lens, Frame], Any]
"""A computation that cannot share its passes with other images, such as an ablation."""


@dataclass(eq=False)
class Job:
    """A framed image that waits for its forward pass."""

    kind: str
    """``predict``, ``analyze`` or ``compute``."""
    lens: Lens
    prepared: Prepared
    top_k: int = 5
    wanted: Any = None
    """Which maps an analysis has; None: all."""
    work: Work | None = None
    """What a ``compute`` job does, alone."""
    long: bool = False
    """Whether it is expected to keep a thread for long."""
    order: int = 0
    """Jobs with smaller numbers are older."""
    result: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """An ``Analysis`` for ``analyze``, ``list[Prediction]`` for ``predict``, and for ``compute`` what ``work`` returns."""
    seconds: float = 0.0
    """How long its pass took, divided by the rows of its batch."""
    cpu_s: float = 0.0
    """How long its thread computed of that; where a GPU computes, all of it."""
    began: float = 0.0
    """When its pass began, in seconds of ``time.monotonic``; 0 while it waits."""
    shared_by: int = 1
    """Number of jobs in that pass."""

    def goes_with(self, other: Job) -> bool:
        """Whether both jobs can share a forward pass."""
        return self is other or (
            self.kind == other.kind != "compute"
            and self.lens is other.lens
            and self.wanted == other.wanted
            and self.prepared.size == other.prepared.size
        )

    def frame(self) -> Frame:
        """The network's input, normalized now."""
        return self.prepared.frame(self.lens.model.preprocess)


@dataclass
class Thread:
    """One model thread, and since when it has been at its present job."""

    thread: threading.Thread
    since: float | None = None
    """Time of ``time.monotonic``; None while it waits."""


class Scheduler:
    """Runs jobs on model threads: oldest first, with those that can share its pass.

    On a CPU each pass is computed by one thread, so there are as many passes at once as ``cores``. A GPU runs one after the
    other, so there is one pass at a time, of several frames. Long jobs run beside the others and never hold all threads:
    there is one thread more than either kind may use.

    Args:
        cores: Number of cores to compute on.
        max_batch: Largest number of frames of one pass.
        metrics: Receives the batch sizes.
    """

    def __init__(self, cores: int, max_batch: int, metrics: Metrics) -> None:
        self.cores, self.max_batch, self.metrics = cores, max_batch, metrics
        self.threads: list[Thread] = []
        self._pending: list[Job] = []
        self._running: list[Job] = []
        self._changed = threading.Condition()
        self._stopping = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Starts the threads; results are set on the loop."""
        self._stopping = False
        for number in range(self.cores + 1):
            entry = Thread(threading.Thread(name=f"sge-model-{number}", daemon=True))
            entry.thread = threading.Thread(
                target=self._work, args=(entry, loop), name=f"sge-model-{number}", daemon=True
            )
            self.threads.append(entry)
            entry.thread.start()

    def stop(self, deadline: float) -> None:
        """Finishes what waits and runs, at most until the deadline (``time.monotonic``)."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for entry in self.threads:
            entry.thread.join(max(0.0, deadline - time.monotonic()))
        self.threads = []

    @property
    def waiting(self) -> int:
        """Number of jobs that no thread has taken yet."""
        return sum(not job.result.done() for job in self._pending)

    def answers(self, limit_s: float) -> bool:
        """Whether a thread is there that waits, or has been at its job for less than ``limit_s`` seconds."""
        begun = time.monotonic() - limit_s
        return any(
            entry.thread.is_alive() and ((since := entry.since) is None or since > begun)
            for entry in self.threads
        )

    def submit(self, job: Job) -> None:
        """Adds a job; ``job.result`` will have its result."""
        with self._changed:
            self._pending.append(job)
            # A thread that woke for a job that may not run yet would only take the core from those that run.
            if self.next_batch(self._pending):
                self._changed.notify()

    def _work(self, entry: Thread, loop: asyncio.AbstractEventLoop) -> None:
        done: Job | None = None
        while batch := self._take(done):
            entry.since = time.monotonic()
            self._prepare_thread(batch[0].lens)
            outcomes = self._run(batch)
            entry.since, done = None, batch[0]
            try:
                loop.call_soon_threadsafe(_settle, outcomes)
            except RuntimeError:  # the loop is closed: nobody waits
                return

    def _take(self, done: Job | None) -> list[Job]:
        """The next batch of a thread whose batch of ``done`` has ended; empty once a scheduler that stops has no more."""
        with self._changed:
            if done is not None:
                self._running.remove(done)
            while True:
                # A disconnected client or the time limit has cancelled the result: that image needs no forward pass.
                self._pending = [job for job in self._pending if not job.result.done()]
                if batch := self.next_batch(self._pending):
                    self._pending = [job for job in self._pending if job not in batch]
                    self._running.append(batch[0])
                    began = time.monotonic()
                    for job in batch:
                        job.shared_by, job.began = len(batch), began
                    if self.next_batch(self._pending):
                        self._changed.notify()
                    return batch
                if self._stopping and not self._pending:
                    self._changed.notify_all()
                    return []
                self._changed.wait()

    def next_batch(self, pending: Sequence[Job]) -> list[Job]:
        """The oldest job that may run now, and later ones that can share its pass; empty if none may."""
        for job in sorted(pending, key=lambda job: job.order):
            if self._may_run(job):
                fitting = [other for other in pending if other.goes_with(job)]
                fitting.sort(key=lambda other: other.order)
                return fitting[: self._rows(job.lens)]
        return []

    def _may_run(self, job: Job) -> bool:
        same = sum(other.long == job.long for other in self._running)
        if same >= self.cores:
            return False
        return runs_beside(job.lens) or not any(
            other.long == job.long and not runs_beside(other.lens) for other in self._running
        )

    def _rows(self, lens: Lens) -> int:
        """How many frames go together. On one core a pass of several takes as long as these one by one, or longer."""
        return 1 if runs_beside(lens) else self.max_batch

    def _prepare_thread(self, lens: Lens) -> None:
        if lens.backend == "torch" and (torch := sys.modules.get("torch")) is not None:
            # Threads of one pass wait for each other by spinning. Where decoding or another program needs one of their
            # cores, a pass in two threads takes up to 20 times the computing of a pass in one.
            torch.set_num_threads(1)

    def _run(self, batch: list[Job]) -> list[tuple[Job, Any, Exception | None]]:
        """Each job's result or error. A batch that fails is repeated image by image: the error is of one of them."""
        self.metrics.batch_sizes.observe(len(batch))
        started, computed = time.perf_counter(), time.thread_time()
        try:
            results = _forward(batch)
        except Exception as error:
            if len(batch) == 1:
                return [(batch[0], None, error)]
            return [outcome for job in batch if not job.result.done() for outcome in self._run([job])]
        seconds = (time.perf_counter() - started) / len(batch)
        cpu_s = (time.thread_time() - computed) / len(batch)
        for job in batch:
            job.seconds, job.cpu_s = seconds, cpu_s if str(job.lens.device) == "cpu" else seconds
        return [(job, result, None) for job, result in zip(batch, results, strict=True)]


def runs_beside(lens: Lens) -> bool:
    """Whether passes of this lens use one core each, so that several run at once."""
    return str(lens.device) == "cpu"


def _forward(batch: list[Job]) -> list[Any]:
    """One forward pass for the batch; each result has as many predictions as its job asks for."""
    first = batch[0]
    if first.work is not None:
        with given_up_when(first.result.done):  # its client has left, or its time is over
            return [first.work(first.lens, first.frame())]
    frames = [job.frame() for job in batch]
    top_k = max(job.top_k for job in batch)
    if first.kind == "predict":
        predicted = first.lens.predict_frames(frames, top_k)
        return [predictions[: job.top_k] for job, predictions in zip(batch, predicted, strict=True)]
    wanted = {} if first.wanted is None else {"wanted": first.wanted}
    analyses = first.lens.analyze_frames(frames, top_k, **wanted)
    return [
        replace(analysis, predictions=analysis.predictions[: job.top_k])
        for job, analysis in zip(batch, analyses, strict=True)
    ]


def _settle(outcomes: list[tuple[Job, Any, Exception | None]]) -> None:
    for job, result, error in outcomes:
        if job.result.done():  # cancelled
            continue
        if error is None:
            job.result.set_result(result)
        else:
            job.result.set_exception(error)
