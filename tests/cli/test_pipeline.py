"""Many images at once: the same results in the same order as one after the other, with bounded memory."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sge.cli import pipeline
from sge.cli.console import ResultsClosedError
from sge.cli.inputs import Input, for_each
from sge.cli.passes import MAX_BATCH, Passes, passes_of
from sge.cli.pipeline import WINDOW, Steps, work_through
from sge.devices import available_cores
from sge.errors import ChoiceError, ImageError, OutputError
from sge.images import DecodedImage, Frame, Geometry, ImageFacts
from sge.images.geometry import Box


def inputs(number: int) -> list[Input]:
    return [Input(Path(f"{n}.jpg"), Path(f"{n}.jpg")) for n in range(number)]


def number_of(image: Input) -> int:
    return int(image.path.stem)


def framed(number: int, side: int = 2, notes: tuple[str, ...] = (), pixels: int = 0) -> Frame:
    facts = ImageFacts(1, 1, "JPEG", "", str(number), notes)
    image = DecodedImage(Image.new("L", (pixels, 1)), "JPEG", "", str(number), notes) if pixels else facts
    geometry = Geometry((1, 1), (1, 1), Box(0, 0, 1, 1), "whole")
    return Frame(np.full((1, side, side), number, np.float32), geometry, image)


def value(frame: Frame) -> int:
    return int(frame.array.flat[0])


class Recorder:
    """Steps that note what happens; ``fate`` says for each image where it fails, ``sides`` its shape."""

    def __init__(self, fates: list[str], sides: list[int], pause: float = 0.0) -> None:
        self.fates, self.sides, self.pause = fates, sides, pause
        self.batches: list[list[int]] = []
        self.reported: list[tuple[int, int]] = []
        self.begun = 0
        self.most_begun = 0

    def prepare(self, image: Input) -> Frame:
        number = number_of(image)
        self.begun += 1
        self.most_begun = max(self.most_begun, self.begun - len(self.reported))
        time.sleep(self.pause * (number % 3))
        if self.fates[number] == "read":
            raise ImageError(f"{number} cannot be read.")
        return framed(number, self.sides[number])

    def compute(self, frames: list[Frame]) -> list[int]:
        self.batches.append([value(frame) for frame in frames])
        assert len({frame.array.shape for frame in frames}) == 1
        if wrong := [value(frame) for frame in frames if self.fates[value(frame)] == "compute"]:
            raise ChoiceError(f"{wrong[0]} cannot be computed.")
        return [10 * value(frame) for frame in frames]

    def finish(self, image: Input, result: int) -> int:
        if self.fates[number_of(image)] == "write":
            raise PermissionError(13, "Permission denied")
        return result + 1

    def report(self, image: Input, result: int) -> None:
        if self.fates[number_of(image)] == "report":
            raise OutputError("cannot be reported.")
        self.reported.append((number_of(image), result))

    @property
    def steps(self) -> Steps[int, int]:
        return Steps(self.prepare, self.compute, self.finish, self.report)

    def one_after_the_other(self, image: Input) -> None:
        (result,) = self.compute([self.prepare(image)])
        self.report(image, self.finish(image, result))


def told(work, capsys) -> tuple[int, str]:
    capsys.readouterr()
    try:
        work()
        code = 0
    except typer.Exit as exit_:
        code = exit_.exit_code
    return code, capsys.readouterr().err


FATES = st.sampled_from(["fine", "fine", "fine", "read", "compute", "write", "report"])


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(FATES, st.integers(1, 3)), min_size=1, max_size=40),
    st.builds(Passes, st.integers(1, 3), st.sampled_from([1, 3, MAX_BATCH])),
)
def test_everything_is_as_one_after_the_other(capsys, drawn, passes):
    fates, sides = [fate for fate, _ in drawn], [side for _, side in drawn]
    many, single = Recorder(fates, sides), Recorder(fates, sides)
    listed = inputs(len(drawn))
    expected = told(lambda: for_each(listed, single.one_after_the_other), capsys)
    assert told(lambda: work_through(listed, many.steps, passes), capsys) == expected
    assert many.reported == single.reported
    assert max(map(len, many.batches), default=0) <= passes.images


def test_batches_form_from_what_waits_and_the_oldest_comes_first():
    recorder = Recorder(["fine"] * 60, [1 + number % 2 for number in range(60)])
    slow = Steps(
        recorder.prepare,
        lambda frames: (time.sleep(0.005), recorder.compute(frames))[1],
        recorder.finish,
        recorder.report,
    )
    work_through(inputs(60), slow)
    assert max(map(len, recorder.batches)) > 1
    assert all(batch == sorted(batch) for batch in recorder.batches)
    # Neither of the two shapes waits behind the other: no batch begins much before an older image is computed.
    order = [number for batch in recorder.batches for number in batch]
    assert all(abs(place - number) <= WINDOW for place, number in enumerate(order))


def test_the_window_is_bounded_when_reporting_is_slow():
    recorder = Recorder(["fine"] * 100, [1] * 100)
    seen = []

    def report(image: Input, result: int) -> None:
        time.sleep(0.001)
        recorder.report(image, result)
        seen.append(number_of(image))

    work_through(inputs(100), Steps(recorder.prepare, recorder.compute, recorder.finish, report))
    assert seen == list(range(100))
    assert recorder.most_begun <= WINDOW + 1


def test_decoded_images_that_wait_are_bounded(monkeypatch):
    monkeypatch.setattr(pipeline, "MAX_HELD_PIXELS", 1000)
    alive: set[int] = set()
    most = 0

    def prepare(image: Input) -> Frame:
        nonlocal most
        alive.add(number_of(image))
        most = max(most, len(alive))
        return framed(number_of(image), pixels=400)

    def report(image: Input, _result: int) -> None:
        time.sleep(0.001)
        alive.discard(number_of(image))

    work_through(inputs(30), Steps(prepare, lambda frames: [0] * len(frames), lambda _i, r: r, report))
    # Three fill the budget; what had been begun by then comes on top, two images for each thread.
    assert most <= 3 + 2 * min(pipeline.MAX_WORKERS, available_cores())
    assert not alive


def test_reading_computing_and_writing_go_on_at_the_same_time():
    """Each step waits for the others: in turn they would never meet."""
    together = threading.Barrier(3, timeout=20)
    met: set[str] = set()

    def meets(step: str, number: int, at: int) -> None:
        if number == at:
            together.wait()
            met.add(step)

    def prepare(image: Input) -> Frame:
        meets("read", number_of(image), 12)
        return framed(number_of(image), side=1 + (number_of(image) == 5))

    def compute(frames: list[Frame]) -> list[int]:
        meets("compute", value(frames[0]), 5)
        return [0] * len(frames)

    def finish(image: Input, result: int) -> int:
        meets("write", number_of(image), 0)
        return result

    work_through(inputs(20), Steps(prepare, compute, finish, lambda _image, _result: None))
    assert met == {"read", "compute", "write"}


def test_passes_run_at_the_same_time():
    together = threading.Barrier(2, timeout=20)

    def compute(frames: list[Frame]) -> list[int]:
        if {value(frame) for frame in frames} & {0, 1}:
            together.wait()
        return [0] * len(frames)

    steps = Steps(
        lambda image: framed(number_of(image), side=1 + number_of(image)),
        compute,
        lambda _image, result: result,
        lambda _image, _result: None,
    )
    work_through(inputs(2), steps, Passes(2))


def test_notes_come_in_order_before_the_result(capsys):
    notes = {1: ("First.",), 3: ("Second.",)}

    def prepare(image: Input) -> Frame:
        time.sleep(0.01 if number_of(image) == 1 else 0)
        return framed(number_of(image), notes=notes.get(number_of(image), ()))

    steps = Steps(prepare, lambda frames: [0] * len(frames), lambda _i, r: r, lambda _i, _r: None)
    work_through(inputs(5), steps)
    assert capsys.readouterr().err.splitlines() == ["1.jpg: First.", "3.jpg: Second."]


def test_when_nobody_reads_the_rest_is_not_done():
    recorder = Recorder(["fine"] * 200, [1] * 200)

    def report(_image: Input, _result: int) -> None:
        raise ResultsClosedError

    work_through(inputs(200), Steps(recorder.prepare, recorder.compute, recorder.finish, report))
    assert recorder.begun <= WINDOW


def test_a_bug_ends_the_run():
    def compute(_frames: list[Frame]) -> list[int]:
        raise ZeroDivisionError

    steps = Steps(lambda image: framed(number_of(image)), compute, lambda _i, r: r, lambda _i, _r: None)
    with pytest.raises(ZeroDivisionError):
        work_through(inputs(5), steps)


def test_a_pass_of_one_image_waits_behind_each_that_runs():
    """Otherwise a core would wait, after each pass, until the main thread has handed out the next one."""
    most = threading.Event()

    def compute(frames: list[Frame]) -> list[int]:
        if value(frames[0]) == 0:
            most.wait(20)
        return [0] * len(frames)

    class Watched(pipeline._Run):
        def _wait(self, reading):
            if len(self._passes) == 2:
                most.set()
            super()._wait(reading)

    steps = Steps(lambda image: framed(number_of(image)), compute, lambda _i, r: r, lambda _i, _r: None)
    run = Watched(steps, Passes(1, 1))
    assert [item.result() for item in run.items(inputs(4))] == [0] * 4
    assert most.is_set()
    run.close()


def test_the_window_grows_with_the_passes():
    recorder = Recorder(["fine"] * 60, [1] * 60)
    together = threading.Barrier(WINDOW + 1, timeout=20)

    def compute(frames: list[Frame]) -> list[int]:
        if value(frames[0]) <= WINDOW:
            together.wait()
        return recorder.compute(frames)

    steps = Steps(recorder.prepare, compute, recorder.finish, recorder.report)
    work_through(inputs(60), steps, Passes(WINDOW + 1, 1))
    assert [number for number, _ in recorder.reported] == list(range(60))


def test_passes_of_a_backend():
    with passes_of(SimpleNamespace(backend="onnxruntime"), 5) as passes:
        assert passes == Passes(available_cores(), 1)
    with passes_of(SimpleNamespace(backend="torch", device="cuda:0"), 5) as passes:
        assert passes == Passes(1, MAX_BATCH)


def test_torch_uses_one_thread_a_pass_while_there_is_an_image_for_each():
    lens, before = SimpleNamespace(backend="torch", device="cpu"), torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with passes_of(lens, 2) as passes:
            assert (passes, torch.get_num_threads()) == (Passes(1, MAX_BATCH), 3)
        with pytest.raises(ValueError, match=r"\(3, 1, 1\)"), passes_of(lens, 3) as passes:
            raise ValueError((passes.at_a_time, passes.images, torch.get_num_threads()))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
