"""What the runtimes of exported files refuse, and how their programs are shared; equality has a file of its own."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sge.errors import (
    CaptureError,
    CheckpointError,
    ChoiceError,
    MissingPackageError,
    NonFiniteError,
    ShapeError,
    UnknownBlockError,
    UnknownGroupError,
    UnsupportedBackendError,
    UnsupportedNetworkError,
)
from sge.lens import Lens, Wanted
from sge.lens.backends import onnx_sessions, openvino_runtime
from sge.lens.backends.base import Maps
from sge.lens.rows import Rows
from sge.models import ExportedModel
from tests.conftest import ROOT
from tests.drawn_images import noise
from tests.lens.backends.conftest import Pairs, smooth_frames
from tests.lens.networks import LABELS, Residual, lens_of

IMAGE = noise(96, 96)


def test_wrong_choices(exported: Lens) -> None:
    model = exported.model
    assert isinstance(model, ExportedModel)
    for backend in ("", "tensorflow", "ONNXRUNTIME"):
        with pytest.raises(ChoiceError, match="auto, torch, onnxruntime, openvino"):
            Lens(model, backend=backend)
    with pytest.raises(UnsupportedBackendError, match="exported file"):
        Lens(model, backend="torch")
    for device in ("cuda", "cuda:0", "mps", "", "tpu"):
        with pytest.raises(ChoiceError, match="computes on the CPU"):
            Lens(model, device, backend=exported.backend)
    for precision in ("bfloat16", "float16") if exported.backend == "onnxruntime" else ("float16",):
        with pytest.raises(ChoiceError, match="computes in float32"):
            Lens(model, precision=precision, backend=exported.backend)
    with pytest.raises(ChoiceError, match="precision is 'half'"):
        Lens(model, precision="half")
    for threads in (0, -1, 1.5, "2", True):
        with pytest.raises(ChoiceError, match="threads is"):
            Lens(model, threads=threads, backend=exported.backend)


@pytest.mark.parametrize("pixels", [1, 2 * 96 * 96, 10**9])
def test_each_row_of_a_batch_has_its_own_result(
    exported: Lens, monkeypatch: pytest.MonkeyPatch, pixels: int
) -> None:
    """However a batch is divided into passes."""
    monkeypatch.setattr(onnx_sessions, "PASS_PIXELS", pixels)
    backend, random = exported._backend, np.random.default_rng(5)
    batch = random.standard_normal((5, 3, 96, 96)).astype(np.float32)
    names = ("first", "second")
    found = backend.forward(batch, Maps(masks=names, similarity=names, energy=names))
    removed = {name: random.random((5, groups)) < 0.5 for name, groups in exported.groups.items()}
    rows = Rows(removed, 5, flat=True)
    ablated = [backend.ablated(batch[:1], rows, shared) for shared in (False, True)]
    for row in range(5):
        alone = backend.forward(batch[row : row + 1], Maps(masks=names, similarity=names, energy=names))
        np.testing.assert_allclose(found.logits[row], alone.logits[0], rtol=1e-4, atol=1e-4)
        for kind in ("masks", "similarity", "energy"):
            for name in names:
                one, other = getattr(found, kind)[name][row], getattr(alone, kind)[name][0]
                np.testing.assert_allclose(one, other, atol=1e-3)
        expected = backend.ablated(batch[:1], rows.part([row]), False)[0]
        for logits in ablated:
            np.testing.assert_allclose(logits[row], expected, rtol=1e-4, atol=1e-4)


def test_wrong_requests(exported: Lens) -> None:
    frame = exported.frame(IMAGE)
    other = replace(frame, array=frame.array[:, :64])
    for wrong in ([], [frame, other]):
        for method in (exported.analyze_frames, exported.predict_frames):
            with pytest.raises(ShapeError, match="one shape"):
                method(wrong)
    with pytest.raises(UnknownBlockError, match="there are: first, second"):
        exported.analyze(IMAGE, wanted=Wanted(blocks=("third",)))
    with pytest.raises(UnknownBlockError, match="there are: first, second"):
        exported.ablate(IMAGE, {"third": [0]})
    with pytest.raises(UnknownGroupError, match="0 to 3"):
        exported.ablate(IMAGE, {"first": [4]})
    with pytest.raises(ChoiceError, match="No class is named"):
        exported.attribute(IMAGE, "no such class")


def test_what_needs_torch_is_refused(exported: Lens) -> None:
    assert not exported.has_gradients
    for work in (
        lambda: exported.grad_cam(IMAGE),
        lambda: exported.grad_cam(IMAGE, 1),
        lambda: exported.steps(IMAGE, "first", 0),
        lambda: exported.attribute(IMAGE, method="gradient"),
        lambda: exported.network,
    ):
        with pytest.raises(UnsupportedBackendError, match="exported"):
            work()
    with pytest.raises(UnknownGroupError):
        exported.steps(IMAGE, "first", 4)


def test_maps_that_are_no_groups(pair_of: Pairs) -> None:
    _, lens = pair_of("cbam")
    assert lens.groups == {}
    with pytest.raises(CaptureError, match="no SGE block"):
        lens.ablate(IMAGE, "all")
    with pytest.raises(CaptureError, match="no SGE block"):
        lens.attribute(IMAGE)


def test_a_size_that_the_file_does_not_take(exported: Lens) -> None:
    strict = Lens(replace(exported.model, multiple=32), backend=exported.backend)
    frame = replace(exported.frame(IMAGE), array=np.zeros((3, 96, 70), np.float32))
    for method in (strict.analyze_frames, strict.predict_frames):
        with pytest.raises(ChoiceError, match="multiples of 32, and this one has 70 x 96"):
            method([frame])
    with pytest.raises(ChoiceError, match="multiples of 32"):
        strict.ablate_frame(frame, "all")
    assert strict.predict(IMAGE) == exported.predict(IMAGE)


def test_numbers_that_are_not_finite(exported: Lens) -> None:
    for value in (np.nan, np.inf, 1e38):
        frame = replace(exported.frame(IMAGE), array=np.full((3, 96, 96), value, np.float32))
        for method in (exported.analyze_frames, exported.predict_frames):
            with pytest.raises(NonFiniteError, match="not finite"):
                method([frame])
        with pytest.raises(NonFiniteError, match="the logits"):
            exported.ablate_frame(frame, {"first": [0]})


def test_other_channels(exported: Lens) -> None:
    frame = replace(exported.frame(IMAGE), array=np.zeros((1, 96, 96), np.float32))
    with pytest.raises(UnsupportedNetworkError, match=r"shape \(1, 1, 96, 96\)"):
        exported.predict_frames([frame])


def test_a_file_that_changes_or_goes(exported: Lens, tmp_path: Path) -> None:
    path = tmp_path / "copy.onnx"
    path.write_bytes(exported.model.path.read_bytes())
    lens = Lens(replace(exported.model, path=path), backend=exported.backend)
    expected = lens.predict(IMAGE)
    os.utime(path, ns=(1, 1))
    assert lens.predict(IMAGE) == expected  # Its session is made.
    with pytest.raises(CheckpointError, match="was changed"):
        lens.analyze(IMAGE)
    path.unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        Lens(replace(exported.model, path=path), backend=exported.backend)


def test_without_the_package(exported: Lens, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is missed before a network is exported, which takes long."""
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, exported.backend, None)
    openvino_runtime._started.cache_clear()
    for model in (exported.model, lens_of(Residual()).model):
        with pytest.raises(MissingPackageError, match="pip install 'sge-lens"):
            Lens(model, backend=exported.backend)
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_is_exported_first(
    backend: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The runtime gives predictions and ablations, torch the rest, until the weights change."""
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path))
    reference = lens_of(Residual())
    lens = Lens(reference.model, backend=backend)
    assert (lens.backend, str(lens.device), lens.has_gradients) == (backend, "cpu", True)
    assert lens.network is reference.network
    odd = reference.frame(IMAGE, "center", 41)
    for frame in (reference.frame(IMAGE), odd):
        (one,), (other,) = reference.predict_frames([frame]), lens.predict_frames([frame])
        assert [found.index for found in one] == [found.index for found in other]
        assert [found.score for found in one] == pytest.approx([found.score for found in other], abs=1e-5)
    gradient, expected = lens.attribute(IMAGE, 1), reference.attribute(IMAGE, 1)
    np.testing.assert_array_equal(gradient["first"], expected["first"])
    np.testing.assert_array_equal(gradient.grad_cam.map, expected.grad_cam.map)
    np.testing.assert_array_equal(
        lens.steps(IMAGE, "first", 1).output, reference.steps(IMAGE, "first", 1).output
    )
    assert copy.deepcopy(lens).predict(IMAGE) == lens.predict(IMAGE)
    with torch.no_grad():
        lens.network.fc.bias += 1
    for work in (
        lambda: lens.predict(IMAGE),
        lambda: lens.analyze(IMAGE),
        lambda: lens.ablate(IMAGE, "all"),
        lambda: lens.attribute(IMAGE),
        lambda: lens.grad_cam(IMAGE, 0),
        lambda: lens.steps(IMAGE, "first", 0),
    ):
        with pytest.raises(UnsupportedBackendError, match="network of small changed"):
            work()
    again = Lens(reference.model, backend=backend)
    assert again.predict(IMAGE)[0].raw_score == pytest.approx(reference.predict(IMAGE)[0].raw_score, abs=1e-5)


def test_a_network_with_the_weights_of_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A hook is no weight: the file that is kept for these weights is of the network without it."""
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path))
    lens = lens_of(Residual())
    Lens(lens.model, backend="onnxruntime")
    lens.network.first.register_forward_hook(lambda _module, _inputs, out: 2 * out)
    with pytest.raises(UnsupportedBackendError, match="its forward or its hooks differ"):
        Lens(lens.model, backend="onnxruntime")
    hooked = Lens(replace(lens.model, name="hooked"), backend="onnxruntime")
    assert hooked.predict(IMAGE)[0].raw_score == pytest.approx(lens.predict(IMAGE)[0].raw_score, abs=1e-5)


def counted_programs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []
    original = onnx_sessions.Sessions._new_program

    def count(self: onnx_sessions.Sessions, kind: str) -> object:
        made.append(kind)
        return original(self, kind)

    monkeypatch.setattr(onnx_sessions.Sessions, "_new_program", count)
    return made


def test_few_programs_serve_every_request_of_every_thread(
    exported: Lens, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = counted_programs(monkeypatch)
    lens = Lens(exported.model, backend=exported.backend, threads=1)
    assert made == []
    every = [Wanted(blocks) for blocks in ((), ("first",), ("second",), None)]
    every += [Wanted(masks=False), Wanted(similarity=False), Wanted(energy=False), Wanted(parts=False)]
    works = [lambda wanted=wanted: lens.analyze(IMAGE, wanted=wanted).predictions for wanted in every]
    works += [lambda: lens.predict(IMAGE), lambda: lens.ablate(IMAGE, "all", controls=3).before.tolist()]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda work: work(), works * 3))
    edited = ["edited"] if exported.backend == "openvino" else []
    assert sorted(made) == [*edited, "energy", "logits", "maps"]
    assert answers[: len(works)] == answers[len(works) : 2 * len(works)]
    assert all(answer == answers[0] for answer in answers[: len(every) + 1])


def test_the_opening_block_needs_no_program_for_energies(
    exported: Lens, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = counted_programs(monkeypatch)
    lens = Lens(exported.model, backend=exported.backend)
    opening = lens.analyze(IMAGE, wanted=Wanted(blocks=())).default_block
    found = lens.analyze(IMAGE, wanted=Wanted(blocks=(opening,)))
    assert made == ["maps"]
    np.testing.assert_array_equal(found.energy[opening], lens.analyze(IMAGE).energy[opening])


def test_threads_get_the_answers_of_their_own_image(exported: Lens) -> None:
    frames = smooth_frames(exported, 12, 0)

    def answers(number: int) -> tuple[list[np.ndarray], np.ndarray]:
        (analysis,) = exported.analyze_frames(frames[number : number + 1])
        ablation = exported.ablate_frame(frames[number], {"first": [number % 4]}, "zero", 2)
        return [*analysis.masks.values(), *analysis.energy.values()], ablation.logits_controls

    alone = [answers(number) for number in range(len(frames))]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(answers, range(len(frames))))
    for one, other in zip(alone, together, strict=True):
        for expected, found in zip((*one[0], one[1]), (*other[0], other[1]), strict=True):
            np.testing.assert_array_equal(expected, found)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda lens: pickle.loads(pickle.dumps(lens))])
def test_copies(exported: Lens, copied: Callable[[Lens], Lens]) -> None:
    expected = exported.predict(IMAGE)
    assert copied(exported).predict(IMAGE) == expected
    assert copied(exported).ablate(IMAGE, "all").labels == LABELS


@pytest.mark.slow
def test_an_exported_file_needs_its_runtime_alone(exported: Lens) -> None:
    code = f"""
import sys
for name in {{"torch", "torchvision", "timm", "onnxruntime", "openvino"}} - {{{exported.backend!r}}}:
    sys.modules[name] = None
calls = []
sys.addaudithook(lambda event, _: calls.append(event) if event in ("socket.connect", "socket.getaddrinfo") else None)
import sge
from PIL import Image
lens = sge.Lens(sge.load_model({str(exported.model.path)!r}), backend={exported.backend!r})
image = Image.linear_gradient("L").convert("RGB")
analysis = lens.analyze(image)
lens.ablate(image, "all")
found = lens.attribute(image, blocks=["first"])
print(lens.backend, len(analysis.masks), len(found["first"]), found.grad_cam, *calls)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [exported.backend, "2", "4", "None"], done.stderr


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="tells the memory by /proc")
def test_a_large_batch_is_divided(pair_of: Pairs) -> None:
    """The output of the first layer alone has 134 MB in one pass over these images."""
    _, lens = pair_of("resnet")
    if lens.backend != "onnxruntime":
        pytest.skip("the parts of a batch are made for every runtime alike")
    frames = smooth_frames(lens, 1, 0, 256, 256) * 32

    def resident() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    expected = lens.predict_frames(frames[:1])
    before = resident()
    assert [one[0].index for one in lens.predict_frames(frames)] == [expected[0][0].index] * 32
    assert resident() < before + 130
