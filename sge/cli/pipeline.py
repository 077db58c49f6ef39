"""Works through many images at once: some are read and decoded, some computed, some written, all reported in order."""

from __future__ import annotations

import stat
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from sge.cli.accounts import Accounts
from sge.cli.console import ResultsClosedError, say
from sge.cli.inputs import Input, with_progress
from sge.cli.passes import DEFAULT, MAX_BATCH, Passes
from sge.devices import available_cores
from sge.errors import ImageError, SGEError
from sge.images import DecodedImage, Frame

R = TypeVar("R")
T = TypeVar("T")

WINDOW = 3 * MAX_BATCH
"""Images that were begun and are not reported yet; on machines of many cores three for each."""
MAX_HELD_PIXELS = 64_000_000
"""Pixels of decoded images that wait; no further image is begun above this. Records without pixels hold none."""
MAX_WORKERS = 8
"""Threads that decode."""
MAX_WRITERS = 4
"""Threads that write, apart from the others because they wait for the disk."""


@dataclass(frozen=True)
class Steps(Generic[R, T]):
    """What is done with each image. The first and the third step run in several threads at once.

    Args:
        prepare: Reads and frames an image.
        compute: Results of frames of one shape, in their order.
        finish: Writes a result, and returns what is reported.
        report: Prints it, in the order of the images.
    """

    prepare: Callable[[Input], Frame]
    compute: Callable[[list[Frame]], list[R]]
    finish: Callable[[Input, R], T]
    report: Callable[[Input, T], None]


def work_through(inputs: list[Input], steps: Steps[R, T], passes: Passes = DEFAULT) -> None:
    """Takes every image through the steps; results, notes and failures come in the order of the images.

    Batches form from what waits: the oldest decoded frame and later ones of its shape. Memory is bounded by the
    window, whatever the number of images.

    Args:
        inputs: The images.
        steps: What is done with each.
        passes: How many forward passes run at a time, with how many images.

    Raises:
        typer.Exit: some images failed; they are listed on stderr, and the exit status is 1.
    """
    accounts = Accounts()
    run = _Run(steps, passes)
    try:
        for item in with_progress(inputs, run.items(inputs)):
            with accounts.of(item.input.path):
                steps.report(item.input, item.result())
    except (
        ResultsClosedError
    ):  # Nobody reads the results any more: the rest is not done, which is no failure.
        pass
    finally:
        run.close()
    accounts.close()


def without_pixels(frame: Frame) -> Frame:
    """The frame with the facts of its image only, which frees the memory of the decoded image."""
    image = frame.image
    return replace(frame, image=image.facts) if isinstance(image, DecodedImage) else frame


@dataclass(eq=False)
class _Item(Generic[T]):
    """One image on its way."""

    input: Input
    prepared: Future[Frame]
    finished: Future[T] = field(default_factory=Future)
    computing: bool = False

    @property
    def waits(self) -> bool:
        """Whether the frame is there and nothing computes with it."""
        return self.prepared.done() and not self.computing and self.prepared.exception() is None

    @property
    def frame(self) -> Frame:
        return self.prepared.result()

    @property
    def held_pixels(self) -> int:
        if not self.prepared.done() or self.prepared.exception() is not None:
            return 0
        image = self.frame.image
        return image.width * image.height if isinstance(image, DecodedImage) else 0

    @property
    def is_over(self) -> bool:
        return self.finished.done() or (self.prepared.done() and self.prepared.exception() is not None)

    def result(self) -> T:
        """The result, after the decoder's notes have been said."""
        frame = self.prepared.result()
        for note in frame.image.notes:
            say(f"{self.input.path}: {note}")
        return self.finished.result()


class _Run(Generic[R, T]):
    """The threads of one ``work_through``."""

    def __init__(self, steps: Steps[R, T], arrangement: Passes) -> None:
        self._steps, self._arrangement = steps, arrangement
        self._threads = min(MAX_WORKERS, available_cores())
        self._width = max(WINDOW, 3 * arrangement.at_a_time)
        self._readers = ThreadPoolExecutor(self._threads, thread_name_prefix="sge-image")
        self._models = ThreadPoolExecutor(arrangement.at_a_time, thread_name_prefix="sge-model")
        self._writers = ThreadPoolExecutor(MAX_WRITERS, thread_name_prefix="sge-record")
        self._passes: set[Future[None]] = set()
        self._window: deque[_Item[T]] = deque()

    def items(self, inputs: list[Input]) -> Iterator[_Item[T]]:
        """The images in order, each when it is over."""
        waiting = deque(inputs)
        while waiting or self._window:
            while waiting and self._has_room():
                self._window.append(self._begin(waiting.popleft()))
            # Noted before passes are begun, so that a frame that comes meanwhile ends the wait at once.
            reading = [item.prepared for item in self._window if not item.prepared.done()]
            self._start_passes()
            if self._window[0].is_over:
                yield self._window.popleft()
                continue
            self._wait(reading)

    def close(self) -> None:
        """Gives up what has not begun. What runs ends by itself."""
        for pool in (self._models, self._readers, self._writers):
            pool.shutdown(wait=False, cancel_futures=True)

    def _has_room(self) -> bool:
        if not self._window:
            return True
        reading = sum(not item.prepared.done() for item in self._window)
        held = sum(item.held_pixels for item in self._window)
        return len(self._window) < self._width and reading < 2 * self._threads and held < MAX_HELD_PIXELS

    def _begin(self, item: Input) -> _Item[T]:
        if item.missing:
            prepared: Future[Frame] = Future()
            prepared.set_exception(ImageError(item.missing))
        elif _may_block(item):
            # Ctrl-C ends only the main thread's wait for standard input or a pipe.
            prepared = _done(self._steps.prepare, item)
        else:
            prepared = self._readers.submit(self._steps.prepare, item)
        return _Item(item, prepared)

    def _start_passes(self) -> None:
        self._passes = {future for future in self._passes if not future.done()}
        while len(self._passes) < self._arrangement.begun and (batch := self._next_batch()):
            for item in batch:
                item.computing = True
            self._passes.add(self._models.submit(self._compute, batch))

    def _next_batch(self) -> list[_Item[T]]:
        ready = [item for item in self._window if item.waits]
        if not ready:
            return []
        # Passes share what waits, because a pass without images is a core without work.
        free = max(1, self._arrangement.at_a_time - len(self._passes))
        most = min(self._arrangement.images, -(-len(ready) // free))
        shape = ready[0].frame.array.shape
        return [item for item in ready if item.frame.array.shape == shape][:most]

    def _compute(self, batch: list[_Item[T]]) -> None:
        """Computes a batch, image by image if it fails together, and hands the results to the writers."""
        try:
            results = self._steps.compute([item.frame for item in batch])
        except BaseException as error:
            if len(batch) > 1 and isinstance(error, SGEError):
                for item in batch:
                    self._compute([item])
                return
            for item in batch:
                item.finished.set_exception(error)
            return
        for item, result in zip(batch, results, strict=True):
            written = self._writers.submit(self._steps.finish, item.input, result)
            written.add_done_callback(lambda future, item=item: _pass_on(future, item.finished))  # type: ignore[misc]

    def _wait(self, reading: list[Future[Frame]]) -> None:
        """Until something has changed."""
        changes: list[Future[Any]] = [self._window[0].finished, *self._passes, *reading]
        wait(changes, return_when=FIRST_COMPLETED)


def _done(work: Callable[[Input], Frame], item: Input) -> Future[Frame]:
    future: Future[Frame] = Future()
    try:
        future.set_result(work(item))
    except Exception as error:
        future.set_exception(error)
    return future


def _pass_on(source: Future[T], target: Future[T]) -> None:
    if source.cancelled():
        target.cancel()
    elif (error := source.exception()) is not None:
        target.set_exception(error)
    else:
        target.set_result(source.result())


def _may_block(item: Input) -> bool:
    try:
        return item.is_stream or stat.S_ISFIFO(item.path.stat().st_mode)
    except OSError:
        return False
