"""A model is served in torch until its export is made, and in ONNX Runtime from then on."""

from __future__ import annotations

import threading

import pytest

import app.slots
from app.exporting import ExportFailedError, export
from sge.models import exported_file
from tests.app.asking import jpeg, post
from tests.app.conftest import WAIT_S, Service, running, until

pytest.importorskip("onnxruntime")
SMALL = "sge_resnet18_dogs"


def lens_of(service: Service) -> app.slots.Lens:
    return service.engine.slots[SMALL].require_lens()


def test_the_answers_before_and_after_the_exchange_agree(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path_factory.mktemp("exports")))
    release = threading.Event()

    def slow(source: str, _stopping: threading.Event) -> None:
        assert release.wait(WAIT_S)
        exported_file(app.slots.load_model(source))

    monkeypatch.setattr(app.slots, "export", slow)
    query = {"model": SMALL, "top_k": 10}
    with running(models=[SMALL], backend="auto") as started:
        assert started.engine.ready
        assert lens_of(started).backend == "torch"
        before = post(started.client, "predict", jpeg(1), **query).json()
        release.set()
        until(lambda: lens_of(started).backend == "onnxruntime")
        after = post(started.client, "predict", jpeg(1), **query).json()
        assert [entry["index"] for entry in after] == [entry["index"] for entry in before]
        for entry, other in zip(after, before, strict=True):
            assert entry["score"] == pytest.approx(other["score"], abs=1e-4)
        explained = post(started.client, "analyze", jpeg(1), target="predicted", model=SMALL)
        assert explained.json()["attribution"]["target"]["index"] == after[0]["index"]
    monkeypatch.setattr(app.slots, "export", lambda *_: pytest.fail("exported again"))
    with running(models=[SMALL], backend="auto") as again:
        assert lens_of(again).backend == "onnxruntime"
        assert post(again.client, "predict", jpeg(1), **query).json() == after


def test_a_model_that_cannot_be_exported_stays_in_torch_and_answers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_source: str, _stopping: threading.Event) -> None:
        raise ExportFailedError("no such operator")

    monkeypatch.setattr(app.slots, "export", fail)
    with running(models=[SMALL], backend="auto") as started:
        until(lambda: "stays in torch" in caplog.text)
        assert lens_of(started).backend == "torch"
        assert post(started.client, "predict", jpeg()).status_code == 200


def test_a_failed_export_says_why_and_one_that_is_interrupted_ends_at_once(tmp_path) -> None:
    missing = tmp_path / "missing.safetensors"
    with pytest.raises(ExportFailedError, match="missing"):
        export(str(missing), threading.Event())
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(ExportFailedError, match="interrupted"):
        export(str(missing), stopping)
