from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from starlette.testclient import TestClient

import app.slots
from sge import Analysis, Lens
from sge.images.framing import Frame
from tests.app.asking import Asking, Exchange, check_problem, jpeg, post
from tests.app.conftest import API, WAIT_S, Gate, Service, running, until

Hold = Callable[[Service], AbstractContextManager[Gate]]
SQUARE, WIDE = (64, 64), (128, 64)


@pytest.fixture
def started() -> Iterator[Service]:
    with running() as service:
        yield service


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def queued(started: Service, jobs: int) -> Callable[[], bool]:
    return lambda: started.engine.waiting >= jobs


# A forward pass must never block the event loop.


def test_live_answers_during_a_forward_pass(started: Service, hold: Hold) -> None:
    with hold(started) as gate, Asking(started.client) as asking:
        slow = asking.post("predict", jpeg())
        assert gate.entered.wait(WAIT_S)
        for path in ("health/live", "health/ready", "metrics", "models", "models/sge_efficientnet_lite0"):
            assert started.client.get(f"{API}/{path}").status_code == 200
        assert started.client.get("/").status_code == 200
        check_problem(post(started.client, "predict", b"no image"), 415)
        assert not slow.done()  # all of these were answered during the forward pass
        gate.open.set()
        assert slow.result().status_code == 200


@pytest.mark.parametrize("step", ["prepare", "draw_overlay"])
def test_live_answers_while_workers_are_busy(
    started: Service, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    entered, release = held_tasks(started, monkeypatch, step)
    with Asking(started.client) as asking:
        asked = [asking.post("overlay", jpeg(seed)) for seed in range(5)]  # more than there are workers
        assert entered.wait(WAIT_S)
        for path in ("health/live", "health/ready", "metrics"):
            assert started.client.get(f"{API}/{path}").status_code == 200
        until(lambda: started.metric("sge_queue_depth") == 5)  # admitted until the answer is ready
        assert not any(future.done() for future in asked)
        release.set()
        assert [future.result().status_code for future in asked] == [200] * 5


def held_tasks(
    started: Service, monkeypatch: pytest.MonkeyPatch, name: str
) -> tuple[threading.Event, threading.Event]:
    """Holds the worker tasks of a name: an event that one has come, and one that lets them run."""
    entered, release, run = threading.Event(), threading.Event(), started.engine.pool.run

    async def held(task: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if task.__name__ == name:
            entered.set()
            while not release.is_set():
                await asyncio.sleep(0.01)
        return await run(task, *args, **options)

    monkeypatch.setattr(started.engine.pool, "run", held)
    return entered, release


# Batches.


@pytest.mark.slow
def test_waiting_images_of_one_shape_share_a_forward_pass(started: Service, hold: Hold) -> None:
    with hold(started) as gate, Asking(started.client) as asking:
        first = asking.post("predict", jpeg(0, SQUARE))
        assert gate.entered.wait(WAIT_S)
        rest = []
        for seed in range(1, 6):
            rest.append(asking.post("predict", jpeg(seed, SQUARE), top_k=seed))
            until(queued(started, seed))
        gate.open.set()
        answers = [future.result().json() for future in (first, *rest)]
    assert gate.batches == [[digest(jpeg(0, SQUARE))], [digest(jpeg(seed, SQUARE)) for seed in range(1, 6)]]
    assert [len(answer) for answer in answers] == [5, 1, 2, 3, 4, 5]
    for seed, answer in enumerate(answers):
        alone = post(started.client, "predict", jpeg(seed, SQUARE), top_k=5).json()
        assert [each["index"] for each in answer] == [each["index"] for each in alone][: len(answer)]
        for each, other in zip(answer, alone, strict=False):
            assert each["score"] == pytest.approx(other["score"], abs=1e-5)


@pytest.mark.slow
def test_a_batch_is_never_larger_than_the_limit(hold: Hold) -> None:
    with running(max_batch=2) as started, hold(started) as gate, Asking(started.client) as asking:
        asking.post("predict", jpeg(0, SQUARE))
        assert gate.entered.wait(WAIT_S)
        for seed in range(1, 6):
            asking.post("predict", jpeg(seed, SQUARE))
            until(queued(started, seed))
        gate.open.set()
        until(lambda: started.engine.depth == 0)
        assert [len(batch) for batch in gate.batches] == [1, 2, 2, 1]
        assert started.metric("sge_batch_size_bucket", le="1.0") == 2
        assert started.metric("sge_batch_size_count") == 4
        assert started.metric("sge_batch_size_sum") == 6


@pytest.mark.slow
def test_shapes_do_not_mix_and_neither_waits_for_ever(started: Service, hold: Hold) -> None:
    with hold(started) as gate, Asking(started.client) as asking:
        asking.post("predict", jpeg(0, SQUARE))
        assert gate.entered.wait(WAIT_S)
        sizes = [WIDE, SQUARE, WIDE, SQUARE, SQUARE]
        for number, size in enumerate(sizes, 1):
            asking.post("predict", jpeg(number, size))
            until(queued(started, number))
        gate.open.set()
        until(lambda: started.engine.depth == 0)
    wide = [digest(jpeg(number, WIDE)) for number in (1, 3)]
    square = [digest(jpeg(number, SQUARE)) for number in (2, 4, 5)]
    # The oldest job goes first with those that fit; alternating shapes still make full batches.
    assert gate.batches[1:] == [wide, square]


@pytest.mark.slow
def test_predictions_and_analyses_have_forward_passes_of_their_own(started: Service, hold: Hold) -> None:
    with hold(started) as gate, Asking(started.client) as asking:
        asking.post("predict", jpeg(0, SQUARE))
        assert gate.entered.wait(WAIT_S)
        for number, route in enumerate(("analyze", "predict", "analyze", "predict"), 1):
            asking.post(route, jpeg(number, SQUARE))
            until(queued(started, number))
        gate.open.set()
        until(lambda: started.engine.depth == 0)
    analyzed = [digest(jpeg(number, SQUARE)) for number in (1, 3)]
    predicted = [digest(jpeg(number, SQUARE)) for number in (2, 4)]
    assert gate.batches[1:] == [analyzed, predicted]


@pytest.mark.slow
def test_analyses_of_one_batch_have_as_many_classes_as_each_asked_for(started: Service, hold: Hold) -> None:
    with hold(started) as gate, Asking(started.client) as asking:
        asking.post("predict", jpeg(0, SQUARE))
        assert gate.entered.wait(WAIT_S)
        asked = []
        for number in (1, 2, 3):
            asked.append(asking.post("analyze", jpeg(number, SQUARE), top_k=number))
            until(queued(started, number))
        gate.open.set()
        assert [len(future.result().json()["predictions"]) for future in asked] == [1, 2, 3]
    assert len(gate.batches) == 2


@pytest.mark.slow
def test_models_do_not_mix(tmp_path: Path, hold: Hold) -> None:
    from sge.models.importing import import_weights

    second = import_weights(_exported(tmp_path / "x"), "second", tmp_path / "y")
    with running(models=["sge_efficientnet_lite0", str(second)]) as started:
        assert list(started.engine.slots) == ["sge_efficientnet_lite0", "second"]
        with hold(started) as gate, Asking(started.client) as asking:
            asking.post("predict", jpeg(0))
            assert gate.entered.wait(WAIT_S)
            asked = [asking.post("analyze", jpeg(1), model=name) for name in (*started.engine.slots, "")]
            until(queued(started, 3))
            gate.open.set()
            names = [future.result().json()["model"]["name"] for future in asked]
    assert names == ["sge_efficientnet_lite0", "second", "sge_efficientnet_lite0"]
    assert [len(batch) for batch in gate.batches] == [1, 2]


def _exported(path: Path) -> Path:
    """A user's file with the shipped network, whose gates get a weight, so that its predictions differ."""
    from sge.models.checkpoint import write_weights
    from sge.models.registry import load_model
    from sge.nn.blocks import sge_blocks

    model = load_model("sge_efficientnet_lite0")
    for module in sge_blocks(model.network).values():
        torch.nn.init.constant_(module.weight, 0.5)
    path.mkdir()
    target = path / "tuned.safetensors"
    write_weights(target, model.network.state_dict(), {"sge.arch": model.arch, "sge.labels": model.labels})
    return target


def test_an_error_of_the_lens_reaches_every_job_and_the_engine_runs_on(
    started: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    lens = started.engine.slots[started.engine.default].require_lens()
    real, entered, release = lens.predict_frames, threading.Event(), threading.Event()

    def fail(_frames: Sequence[Frame], _top_k: int = 5) -> list[Analysis]:
        entered.set()
        assert release.wait(WAIT_S)
        raise RuntimeError("out of memory on cuda:0")

    monkeypatch.setattr(lens, "predict_frames", fail)
    with Asking(started.client) as asking:
        asked = [asking.post("predict", jpeg(0))]
        assert entered.wait(WAIT_S)
        for number in (1, 2, 3):
            asked.append(asking.post("predict", jpeg(number)))
            until(queued(started, number))
        release.set()
        for future in asked:
            assert "cuda" not in check_problem(future.result(), 500)["detail"]
    monkeypatch.setattr(lens, "predict_frames", real)
    assert post(started.client, "predict", jpeg()).status_code == 200
    assert started.engine.depth == 0


# Clients that disconnect.


def test_an_image_whose_client_has_disconnected_gets_no_forward_pass(started: Service, hold: Hold) -> None:
    with hold(started) as gate, Asking(started.client) as asking:
        asking.post("predict", jpeg(0))
        assert gate.entered.wait(WAIT_S)
        leaving = Exchange("predict", [jpeg(1)], {"Content-Type": "image/jpeg"})
        done = asking.pool.submit(started.in_loop, leaving.run, started)
        until(queued(started, 1))
        leaving.gone.set()
        done.result()
        assert leaving.sent == []
        until(lambda: started.engine.depth == 1)
        staying = asking.post("predict", jpeg(2))
        until(queued(started, 1))
        gate.open.set()
        assert staying.result().status_code == 200
    assert gate.batches == [[digest(jpeg(0))], [digest(jpeg(2))]]
    assert started.metric("sge_requests_total", route=f"{API}/predict", status="499") == 1


@pytest.mark.slow
def test_a_disconnect_in_the_forward_pass_harms_no_other_request(started: Service, hold: Hold) -> None:
    with hold(started) as gate, Asking(started.client) as asking:
        leaving = Exchange("predict", [jpeg(0)], {"Content-Type": "image/jpeg"})
        done = asking.pool.submit(started.in_loop, leaving.run, started)
        assert gate.entered.wait(WAIT_S)
        leaving.gone.set()
        done.result()
        assert started.engine.depth == 0
        gate.open.set()
    assert post(started.client, "predict", jpeg(1)).status_code == 200


def test_no_task_is_left_for_a_client_that_was_answered(started: Service) -> None:
    async def ask() -> list[str]:
        before = asyncio.all_tasks()
        staying = Exchange("predict", [jpeg()], {"Content-Type": "image/jpeg"})
        await staying.run(started)
        assert staying.status == 200
        await asyncio.sleep(0)
        return [repr(task) for task in asyncio.all_tasks() - before]

    assert started.in_loop(ask) == []


# Start and stop.


@pytest.mark.slow
def test_until_the_model_is_there_posts_are_503_and_the_rest_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    release, real = threading.Event(), app.slots.load_model

    def slow(name: str) -> Any:
        assert release.wait(WAIT_S)
        return real(name)

    monkeypatch.setattr(app.slots, "load_model", slow)
    with running(wait=False) as started:
        assert started.client.get(f"{API}/health/live").json() == {"status": "live"}
        answer = started.client.get(f"{API}/health/ready")
        assert "sge_efficientnet_lite0 is loading" in check_problem(answer, 503)["detail"]
        assert answer.headers["retry-after"] == "2"
        refused = Exchange("predict", [jpeg()], {"Content-Type": "image/jpeg"})
        started.in_loop(refused.run, started)
        assert (refused.status, refused.pulled) == (503, 0)
        for route in ("predict", "masks", "overlay", "analyze"):
            answer = post(started.client, route, jpeg())
            assert "still loading" in check_problem(answer, 503)["detail"]
            assert answer.headers["retry-after"] == "2"
        answer = started.client.get("/samples/shepherd/analysis?format=atlas&blocks=default")
        assert "still loading" in check_problem(answer, 503)["detail"]
        listed = started.client.get(f"{API}/models").json()
        assert [(each["name"], each["ready"], each["error"]) for each in listed] == [
            ("sge_efficientnet_lite0", False, None)
        ]
        assert started.metric("sge_model_ready", model="sge_efficientnet_lite0") == 0
        check_problem(started.client.get("/samples/chelsea/analysis"), 503)
        release.set()
        until(lambda: started.engine.ready)
        assert started.client.get(f"{API}/health/ready").json() == {"status": "ready"}
        assert started.metric("sge_model_ready", model="sge_efficientnet_lite0") == 1
        assert post(started.client, "predict", jpeg()).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "reason"),
    [("no_such_model", "there are: sge_efficientnet_lite0"), ("sge_resnet50", "give its weights file too")],
)
def test_a_model_that_cannot_be_loaded_says_why_and_the_others_answer(name: str, reason: str) -> None:
    with running(models=[name, "sge_efficientnet_lite0"]) as started:
        until(lambda: started.engine.slots["sge_efficientnet_lite0"].ready)
        assert started.client.get(f"{API}/health/live").status_code == 200
        assert reason in check_problem(started.client.get(f"{API}/health/ready"), 503)["detail"]
        answer = post(started.client, "predict", jpeg())
        assert reason in check_problem(answer, 503)["detail"]
        assert int(answer.headers["retry-after"]) >= 1
        failed, loaded = started.client.get(f"{API}/models").json()
        assert (failed["ready"], loaded["ready"]) == (False, True)
        assert reason in failed["error"]
        assert post(started.client, "predict", jpeg(), model="sge_efficientnet_lite0").status_code == 200


def test_a_damaged_weights_file_says_why_without_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"not weights")
    with running(models=[str(path)]) as started:
        problem = check_problem(started.client.get(f"{API}/health/ready"), 503)
        assert "mine" in problem["detail"]
        assert str(tmp_path) not in problem["detail"]


def test_a_fault_while_loading_keeps_the_process_alive_and_its_details_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def bug(_name: str) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(app.slots, "load_model", bug)
    with running() as started:
        problem = check_problem(started.client.get(f"{API}/health/ready"), 503)
        assert "the server's log says why" in problem["detail"]
        assert "ZeroDivisionError" not in problem["detail"]
        assert "secret" not in problem["detail"]
        assert "secret" in caplog.text
        assert started.client.get(f"{API}/health/live").status_code == 200


@pytest.mark.parametrize("settings", [{"device": "cuda:77"}, {"device": "abacus"}])
def test_a_device_that_is_not_there_says_so(settings: dict[str, Any]) -> None:
    with running(**settings) as started:
        assert settings["device"] in check_problem(started.client.get(f"{API}/health/ready"), 503)["detail"]


@pytest.mark.slow
def test_stopping_finishes_what_is_running_and_what_waits(hold: Hold) -> None:
    with running() as started, hold(started) as gate, Asking(started.client) as asking:
        asked = [asking.post("predict", jpeg(0))]
        assert gate.entered.wait(WAIT_S)
        for number, size in enumerate((WIDE, SQUARE), 1):
            asked.append(asking.post("predict", jpeg(number, size)))
            until(queued(started, number))
        stopping = asking.pool.submit(started.in_loop, started.engine.stop)
        until(lambda: started.engine._stopping)
        gate.open.set()
        stopping.result()
        assert [future.result().status_code for future in asked] == [200] * 3
        assert started.engine.scheduler.threads == []


def test_a_request_after_the_stop_is_refused_and_does_not_hang() -> None:
    with running() as started:
        started.engine._stopping = True
        assert "shutting down" in check_problem(post(started.client, "predict", jpeg()), 503)["detail"]
        reasons = check_problem(started.client.get(f"{API}/health/ready"), 503)["detail"]
        assert "shutting down" in reasons


def test_models_not_yet_begun_are_not_loaded_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    release, asked, real = threading.Event(), [], app.slots.load_model

    def slow(name: str) -> Any:
        asked.append(name)
        assert release.wait(WAIT_S)
        return real("sge_efficientnet_lite0")

    monkeypatch.setattr(app.slots, "load_model", slow)
    with running(wait=False, models=["first", "second"]) as started:
        until(lambda: asked)
        threading.Thread(target=lambda: (until(lambda: started.engine._stopping), release.set())).start()
    assert asked == ["first"]


@pytest.mark.slow
def test_an_application_may_be_started_again() -> None:
    with running() as started:
        first = post(started.client, "predict", jpeg()).json()
    with TestClient(started.app) as client:
        assert all(slot.ready for slot in started.engine.slots.values())  # nothing is loaded twice
        until(lambda: started.engine.ready)
        assert post(client, "predict", jpeg()).json() == first


@pytest.mark.slow
def test_no_thread_is_left(started: Service) -> None:
    post(started.client, "predict", jpeg())
    before = threading.enumerate()
    with running() as other:
        post(other.client, "predict", jpeg())
        mine = [thread for thread in threading.enumerate() if thread.name.startswith("sge-")]
        mine = [thread for thread in mine if thread not in before]
        assert mine
        assert all(thread.is_alive() for thread in mine)
    assert [thread.name for thread in mine if thread.is_alive()] == []


# Many at once.


@pytest.mark.slow
def test_twenty_at_once_get_each_its_own_answer(service: Service, lens: Lens) -> None:
    sizes = [(64, 64), (128, 64), (64, 128), (300, 200), (33, 500)]
    images = [jpeg(seed, sizes[seed % len(sizes)]) for seed in range(20)]
    framings = ["whole" if seed % 3 else "center" for seed in range(20)]
    with Asking(service.client) as asking:
        asked = [
            asking.post("analyze", data, framing=framing, top_k=1 + seed % 7)
            for seed, (data, framing) in enumerate(zip(images, framings, strict=True))
        ]
        answers = [future.result().json() for future in asked]
    for seed, (data, framing, answer) in enumerate(zip(images, framings, answers, strict=True)):
        alone = lens.analyze(data, framing=framing, top_k=1 + seed % 7)
        assert answer["image"]["sha256"] == digest(data)
        assert answer["geometry"]["framing"] == framing
        assert len(answer["predictions"]) == 1 + seed % 7
        for each, other in zip(answer["predictions"], alone.predictions, strict=True):
            assert each["score"] == pytest.approx(other.score, abs=1e-4)


@pytest.mark.slow
def test_torch_computes_a_pass_in_one_thread() -> None:
    with running(threads=2) as started:
        lens = started.engine.slots[started.engine.default].require_lens()
        real, seen = lens.predict_frames, []

        def look(frames: Sequence[Frame], top_k: int = 5) -> list[Analysis]:
            seen.append((threading.current_thread().name[:9], torch.get_num_threads()))
            return real(frames, top_k)

        lens.predict_frames = look  # type: ignore[method-assign]
        assert post(started.client, "predict", jpeg()).status_code == 200
    assert seen == [("sge-model", 1)]
