"""What OpenVINO does otherwise than ONNX Runtime: precisions, numbers that it would hide, requests and memory."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from sge.devices import available_cores
from sge.errors import ChoiceError, NonFiniteError
from sge.lens import Lens
from sge.lens.backends import openvino_runtime
from sge.lens.backends.openvino_runtime import OpenVino, OpenVinoProgram
from sge.lens.backends.runtimes import is_out_of_memory, quoted
from sge.models import reduced
from tests.conftest import ROOT
from tests.drawn_images import noise
from tests.lens.backends.conftest import ExportOf

pytest.importorskip("openvino")
IMAGE = noise(96, 96)


def test_bfloat16_only_where_it_is_asked_for(export_of: ExportOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps and logits are then those of bfloat16 in torch, to its precision; the statistics of SGE hold."""
    reference, exported = export_of("residual")
    lens = Lens(exported, backend="openvino")
    assert lens.precision == "float32"
    if "BF16" in openvino_runtime._core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        short = Lens(exported, precision="bfloat16", backend="openvino")
        assert short.precision == "bfloat16"
        expected, found = reference.analyze(IMAGE), short.analyze(IMAGE)
        for name in expected.masks:
            assert 0 < np.abs(found.masks[name] - expected.masks[name]).mean() < 0.01
            np.testing.assert_allclose(found.similarity[name].mean((1, 2)), 0, atol=0.02)
    monkeypatch.setattr(openvino_runtime, "_core", FakeCore)
    with pytest.raises(ChoiceError, match="Choose float32"):
        Lens(exported, precision="bfloat16", backend="openvino")


class FakeCore:
    """Of a processor that computes in float32 alone."""

    def get_property(self, _device: str, _name: str) -> list[str]:
        return ["FP32", "INT8"]


def test_weights_that_are_not_finite(export_of: ExportOf, tmp_path: Path) -> None:
    """OpenVINO's clipped activations would turn them into numbers."""
    exported = export_of("residual")[1]
    model = onnx.load(exported.path)
    weight = max(model.graph.initializer, key=lambda one: len(one.raw_data))
    values = numpy_helper.to_array(weight).copy()
    values.flat[0] = np.nan
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    path = tmp_path / "broken.onnx"
    path.write_bytes(model.SerializeToString())
    lens = Lens(replace(exported, path=path), backend="openvino")
    for work in (lens.predict, lens.analyze, lambda image: lens.ablate(image, "all")):
        with pytest.raises(NonFiniteError, match="not finite"):
            work(IMAGE)


@pytest.mark.parametrize("threads", [1, 2, 64])
def test_a_stream_for_each_pass_that_runs_at_a_time(export_of: ExportOf, threads: int) -> None:
    """Passes of one stream would wait for each other."""
    content = reduced(export_of("residual")[1].path, ["logits"], edits=False)
    compiled = OpenVino(threads).program(content)._compiled
    cores = available_cores()
    assert compiled.get_property("NUM_STREAMS") == max(1, cores // threads)
    assert compiled.get_property("INFERENCE_NUM_THREADS") <= max(threads, cores)


class FakeRequest:
    """Fails for an image of nothing."""

    def infer(self, feed: dict[str, np.ndarray], **_how: bool) -> None:
        if not feed["image"].size:
            raise RuntimeError("no image")

    def get_tensor(self, _name: str) -> Any:
        return self

    @property
    def data(self) -> np.ndarray:
        return np.zeros(1)


class FakeCompiled:
    """Refuses to give memory back while a pass runs, as OpenVINO does."""

    def __init__(self) -> None:
        self.running: list[object] = []
        self.keeps = False

    def create_infer_request(self) -> FakeRequest:
        return FakeRequest()

    def release_memory(self) -> None:
        assert not self.running
        self.keeps = False


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.booleans(), st.booleans())))
def test_requests_serve_one_pass_at_a_time_and_memory_comes_back(steps) -> None:
    compiled = FakeCompiled()
    program = OpenVinoProgram(compiled, {})

    def end(which: int, is_large: bool, fails: bool) -> None:
        request = compiled.running.pop(which % len(compiled.running))
        compiled.keeps |= is_large
        program._end(None if fails or is_large else request, is_large)

    for begins, which, is_large, fails in steps:
        if begins:
            request = program._begin()
            assert not any(request is other for other in compiled.running)
            compiled.running.append(request)
        elif compiled.running:
            end(which, is_large, fails)
    while compiled.running:
        end(0, False, False)
    assert not compiled.keeps
    kept = len(program._free)
    assert kept <= len(steps)
    with pytest.raises(RuntimeError, match="no image"):
        program.run(["logits"], {"image": np.zeros(0)}, False)
    assert len(program._free) == max(0, kept - 1)  # What failed serves nobody again.
    assert program.run(["logits", "mask/a"], {"image": np.zeros(1)}, True) == [0, 0]
    assert program._free == []


def test_the_sentence_of_an_error_leaves_out_places_in_the_source() -> None:
    error = RuntimeError(
        "Exception from src/inference/src/cpp/infer_request.cpp:104:\n"
        "Check 'shape.compatible(x)' failed at src/plugins/intel_cpu/src/infer_request.cpp:385:\n"
        "Can't set the input tensor with index: 0\n\n"
    )
    assert quoted(error) == "RuntimeError: Can't set the input tensor with index: 0"
    assert quoted(RuntimeError("")) == "RuntimeError: "
    assert not is_out_of_memory(error)
    assert is_out_of_memory(
        RuntimeError("Check 'ptr' failed at x\nFailed to allocate 536870912 bytes of memory\n")
    )


STARTS = """
import threading
import openvino

threads = []
plain = openvino.Type.to_dtype

def watched(self):
    threads.append(threading.current_thread().name)
    return plain(self)

openvino.Type.to_dtype = watched
from sge.lens.backends.openvino_runtime import OpenVino

together = threading.Barrier(8)

def check():
    together.wait()
    OpenVino().check()

starting = [threading.Thread(target=check) for _ in range(8)]
for one in starting:
    one.start()
for one in starting:
    one.join()
print(len(threads))
"""


def test_one_thread_alone_makes_the_first_conversion_of_a_type() -> None:
    """Two threads that make it at once wait for each other for ever, in OpenVINO 2026.4."""
    done = subprocess.run(
        [sys.executable, "-c", STARTS], capture_output=True, text=True, timeout=120, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "1"
