"""``deploy/ray_serve.py`` and ``deploy/ray_data.py`` on a local Ray, with a small exported network."""

from __future__ import annotations

import importlib
import io
import json
import os
import shutil
import signal
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from scripts.ports import free_port
from sge.lens import Lens
from sge.models import export_onnx, load_model
from tests.conftest import ROOT
from tests.lens.test_lens import model

ray = pytest.importorskip("ray", reason="needs the extra ray: pip install 'sge-lens[ray]'")
httpx = pytest.importorskip("httpx")
pytest.importorskip("onnxruntime", reason="needs ONNX Runtime")
pytestmark = pytest.mark.slow

SAMPLES = ROOT / "static" / "samples"
DEPLOY = ROOT / "deploy"
NAMES = ("chelsea", "shepherd", "kitten", "koala")


def program(name: str) -> ModuleType:
    """A program of ``deploy/``, which the processes of Ray import by the same name."""
    sys.path.insert(0, str(DEPLOY))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(DEPLOY))


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ray-model") / "small.onnx"
    export_onnx(model(), path)
    return path


@pytest.fixture(scope="module")
def cluster():
    """A Ray of this module; its processes find the project as this one does."""
    warnings.simplefilter("ignore")
    ray.init(
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        object_store_memory=80 * 2**20,
        runtime_env={"env_vars": {"PYTHONPATH": f"{ROOT}{os.pathsep}{DEPLOY}", "OMP_NUM_THREADS": "1"}},
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def served(cluster, file):
    """Address and handle of two replicas."""
    from ray import serve

    port = free_port()
    module = program("ray_serve")
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(module.build(str(file), replicas=2, cpus=0.5), name="sge-lens", route_prefix="/")
    yield f"http://127.0.0.1:{port}", serve.get_deployment_handle("LensReplica", "sge-lens")
    serve.shutdown()


def image(name: str) -> bytes:
    return (SAMPLES / f"{name}.jpg").read_bytes()


def post(url: str, data: bytes) -> httpx.Response:
    return httpx.post(url, content=data, headers={"Content-Type": "image/jpeg"}, timeout=30)


def test_answers_of_the_replicas_are_those_of_the_lens(served, file):
    address, _handle = served
    lens = Lens(load_model(str(file)))
    images = [image(NAMES[number % 4]) for number in range(12)] + [b"no image"]
    with ThreadPoolExecutor(13) as pool:
        answers = list(pool.map(lambda data: post(f"{address}/predict?top_k=3", data), images))
    for data, answer in zip(images[:-1], answers[:-1], strict=True):
        expected = lens.predict(data, top_k=3)
        assert answer.status_code == 200, answer.text
        assert [one["label"] for one in answer.json()] == [one.label for one in expected]
        np.testing.assert_allclose(
            [one["score"] for one in answer.json()], [one.score for one in expected], atol=1e-5
        )
    assert answers[-1].status_code == 422
    assert "image" in answers[-1].json()["detail"]

    masks = post(f"{address}/masks?framing=center", images[0])
    analysis = lens.analyze(images[0], "center")
    with np.load(io.BytesIO(masks.content)) as arrays:
        assert set(arrays) == set(analysis.masks)
        for name, values in analysis.masks.items():
            np.testing.assert_allclose(arrays[name], values, atol=1e-4)
    assert post(f"{address}/masks?blocks=nothing", images[0]).status_code == 422
    assert post(f"{address}/predict", b"").status_code == 400
    assert httpx.get(f"{address}/health/ready", timeout=30).json()["backend"] == "onnxruntime"


def test_a_killed_replica_fails_only_what_it_was_computing(served):
    address, handle = served
    replicas = {handle.process_id.remote().result(timeout_s=30) for _ in range(20)}
    assert len(replicas) == 2
    killed = min(replicas)
    os.kill(killed, signal.SIGSTOP)  # What it is sent now stays in flight until it is killed.
    answers: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(post(f"{address}/predict", image("chelsea")).status_code)
        )
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    time.sleep(1.5)
    others = len(answers)
    os.kill(killed, signal.SIGKILL)
    for thread in threads:
        thread.join(30)
    assert len(answers) == 12
    assert set(answers) <= {200, 503}
    assert set(answers[:others]) <= {200}  # the other replica answered all the while
    assert answers.count(200) > 0
    for _ in range(answers.count(503)):
        assert post(f"{address}/predict", image("chelsea")).status_code == 200
    assert handle.process_id.remote().result(timeout_s=30) != killed


def test_a_folder_becomes_rows(cluster, file, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for name in NAMES[:3]:
        shutil.copy(SAMPLES / f"{name}.jpg", folder / f"{name}.jpg")
    shutil.copy(SAMPLES / "koala.jpg", folder / "deep" / "koala.jpg")
    (folder / "cut.jpg").write_bytes(image("koala")[:3000])
    (folder / "notes.txt").write_text("no image")
    module = program("ray_data")
    assert module.analyze(str(folder), str(tmp_path / "rows"), model=str(file), record=True) == (4, 1)
    rows = pq.read_table(tmp_path / "rows").to_pylist()
    lens = Lens(load_model(str(file)))
    by_name = {Path(row["path"]).name: row for row in rows}
    assert set(by_name) == {"chelsea.jpg", "shepherd.jpg", "kitten.jpg", "koala.jpg", "cut.jpg"}
    assert by_name["cut.jpg"]["error"]
    assert by_name["cut.jpg"]["label"] is None
    for name in NAMES:
        row, expected = by_name[f"{name}.jpg"], lens.analyze(image(name))
        assert (row["width"], row["height"]) == (expected.image_info.width, expected.image_info.height)
        assert row["sha256"] == expected.image_info.sha256
        assert (row["label"], row["error"]) == (expected.predictions[0].label, None)
        assert row["score"] == pytest.approx(expected.predictions[0].score, abs=1e-4)
        assert set(json.loads(row["record"])["masks"]) == set(expected.masks)
