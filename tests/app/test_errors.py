from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from hashlib import sha256

import pytest
from PIL import ImageFile
from starlette.testclient import TestClient

import app.requests
from app.errors import as_problem
from app.middleware import HEADERS
from sge import SGEError
from sge.errors import CheckpointError, MissingPackageError
from sge.images.file_kinds import FORMATS
from tests.app.asking import Asking, Exchange, check_problem, jpeg, post
from tests.app.conftest import API, WAIT_S, Gate, Service, running
from tests.drawn_images import REFUSED, claiming, refused

POSTS = ("predict", "masks", "overlay", "analyze")
Hold = Callable[[Service], AbstractContextManager[Gate]]


@pytest.mark.parametrize("route", POSTS)
def test_an_unknown_model_is_404_and_the_models_are_listed(client: TestClient, route: str) -> None:
    for name in ("nothing", "../../etc/passwd", "sge_efficientnet_lite0 "):
        problem = check_problem(post(client, route, jpeg(), model=name), 404)
        assert "sge_efficientnet_lite0" in problem["detail"]


def test_an_unknown_model_is_refused_before_a_byte_is_read(service: Service) -> None:
    exchange = Exchange("predict", [jpeg()], {"Content-Type": "image/jpeg"}, query="model=nothing")
    service.in_loop(exchange.run, service)
    assert (exchange.status, exchange.pulled) == (404, 0)


@pytest.mark.parametrize(
    "path", ["/nope", "/api", "/api/v2/predict", f"{API}/predict/", f"{API}/models/a/b", "/docs/x", "/redoc"]
)
def test_unknown_addresses_are_404(client: TestClient, path: str) -> None:
    problem = check_problem(client.get(path, follow_redirects=False), 404)
    assert "openapi.json" in problem["detail"]


def test_a_model_that_is_not_there_is_404(client: TestClient) -> None:
    assert "sge_efficientnet_lite0" in check_problem(client.get(f"{API}/models/nothing"), 404)["detail"]


@pytest.mark.parametrize("route", POSTS)
def test_another_method_is_405_with_those_that_work(client: TestClient, route: str) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = client.request(method, f"{API}/{route}")
        assert method in check_problem(answer, 405)["detail"]
        assert answer.headers["allow"] == "POST"


def test_pixels_are_counted_before_they_are_decoded(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _self: pytest.fail("decoded"))
    for kind in FORMATS:
        problem = check_problem(post(client, "predict", claiming(kind, 10_000, 10_000)), 413)
        assert "50 million pixels" in problem["detail"]
    check_problem(post(client, "predict", claiming("PNG", 2**31 - 1, 2**31 - 1)), 413)


@pytest.mark.slow
def test_an_image_of_exactly_the_limit_is_accepted() -> None:
    with running(max_pixels=96 * 64) as started:
        assert post(started.client, "predict", jpeg(size=(96, 64))).status_code == 200
        check_problem(post(started.client, "predict", jpeg(size=(97, 64))), 413)


@pytest.mark.parametrize("kind", REFUSED)
def test_other_formats_are_415_whatever_they_say_they_are(client: TestClient, kind: str) -> None:
    assert "JPEG, PNG" in check_problem(post(client, "predict", refused(kind)), 415)["detail"]


@pytest.mark.slow
def test_the_format_is_read_from_the_bytes_and_not_from_the_type(client: TestClient) -> None:
    for kind in FORMATS:
        data = jpeg(kind=kind)
        assert post(client, "predict", data).status_code == 200
        answer = client.post(
            f"{API}/predict", content=data, headers={"Content-Type": "application/octet-stream"}
        )
        assert answer.status_code == 200


@pytest.mark.parametrize("kind", FORMATS)
def test_broken_images_are_422(client: TestClient, kind: str) -> None:
    whole = jpeg(kind=kind, size=(200, 200))
    for data in (whole[: len(whole) // 2], whole[:20]):
        problem = check_problem(post(client, "predict", data), 422)
        assert "damaged" in problem["detail"] or "cut off" in problem["detail"]
        assert "0x" not in problem["detail"]  # no addresses of objects


UNKNOWN = {
    "masks?blocks=layer9.9": "blocks.4.2",
    "masks?blocks=blocks.4.2,nope": "blocks.4.2",
    "masks?blocks=,": "blocks.4.2",
    "masks?groups=64": "groups 0 to 47",
    "masks?groups=0-99999": "groups 0 to 47",
    "masks?groups=-1": "0,3,8-15",
    "masks?groups=3-1": "0,3,8-15",
    "masks?groups=1,5-2": "0,3,8-15",
    "masks?groups=1,,2": "0,3,8-15",
    "masks?groups=a": "0,3,8-15",
    "masks?groups=1.5": "0,3,8-15",
    "masks?groups=²": "0,3,8-15",
    "masks?groups=9999999": "0,3,8-15",
    "masks?signal=weights": "'mask' or 'similarity'",
    "masks?format=pickle": "'json', 'npz', 'safetensors', 'atlas' or 'png'",
    "masks?format=png&blocks=blocks.4.2,blocks.5.0": "blocks.4.2",
    "masks?framing=half": "'whole' or 'center'",
    "overlay?block=nope": "blocks.4.2",
    "overlay?block=blocks.4.2,blocks.5.0": "blocks.4.2",
    "overlay?block=blocks.4.2&group=99": "groups 0 to 55",
    "overlay?group=0,1,2,3,4,5,6": "1 to 6",
    "overlay?group=0-9": "1 to 6",
    "overlay?colormap=jet": "'viridis'",
    "overlay?opacity=1.5": "a number from 0 to 1",
    "overlay?opacity=-0.1": "a number from 0 to 1",
    "overlay?opacity=nan": "a number from 0 to 1",
    "overlay?scale=log": "'relative' or 'absolute'",
    "overlay?legend=perhaps": "true or false",
    "analyze?format=xml": "'json', 'atlas' or 'html'",
    "analyze?top_k=0": "a whole number from 1 to 1000",
    "predict?top_k=1001": "a whole number from 1 to 1000",
    "predict?top_k=five": "a whole number from 1 to 1000",
    "predict?model=" + "m" * 201: "at most 200",
    "masks?blocks=" + "b" * 2001: "at most 2000",
    "masks?groups=" + "1" * 501: "at most 500",
    "masks?block=blocks.4.2": "blocks, groups, signal, format, model, framing",
    "overlay?groups=5": "block, group, signal",
    "predict?top_k=5&" + "n" * 3000 + "=1": "top_k",
}


@pytest.mark.parametrize("query", UNKNOWN, ids=lambda query: query[:40])
def test_unknown_values_are_422_and_the_valid_ones_are_listed(client: TestClient, query: str) -> None:
    answer = client.post(f"{API}/{query}", content=jpeg(), headers={"Content-Type": "image/jpeg"})
    assert UNKNOWN[query] in check_problem(answer, 422)["detail"]


def test_many_long_ranges_cost_nothing(client: TestClient) -> None:
    # If these were written out before the check, they would be eleven million numbers on the event loop.
    spans = ",".join(["0-99999"] * 62)
    assert "has groups 0 to" in check_problem(post(client, "masks", jpeg(), groups=spans), 422)["detail"]


@pytest.mark.parametrize("route", POSTS)
def test_too_much_work_ahead_is_503_at_once_and_says_when_to_come_back(
    service: Service, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    for line in (("worker", False), ("model", False)):
        monkeypatch.setitem(service.engine.admissions._ahead, line, 1000.0)
    before = service.metric("sge_rejected_total", reason="queue")
    passes = service.metric("sge_batch_size_count")
    answer = post(service.client, route, jpeg())
    assert "would come too late" in check_problem(answer, 503)["detail"]
    assert 100 < int(answer.headers["retry-after"]) < 2000
    assert service.metric("sge_rejected_total", reason="queue") == before + 1
    assert service.metric("sge_batch_size_count") == passes
    assert service.metric("sge_queue_depth") == 0
    for path in ("health/live", "health/ready", "metrics", "models"):
        assert service.client.get(f"{API}/{path}").status_code == 200
    assert (
        service.client.get("/samples/chelsea/analysis").status_code == 200
    )  # nobody's first impression is a 503


@pytest.mark.slow
@pytest.mark.parametrize("route", POSTS)
def test_past_the_time_limit_is_504_and_the_image_gets_no_forward_pass(
    route: str, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long a pass is expected to take here, the second image is not refused at once.
    monkeypatch.setattr("app.admission.FREE_WAIT_S", WAIT_S)
    with running() as started, hold(started) as gate, Asking(started.client) as asking:
        first = asking.post(route, jpeg(0))
        assert gate.entered.wait(WAIT_S)
        started.engine.settings.time_limit_s = 0.2
        problem = check_problem(post(started.client, route, jpeg(1)), 504)
        assert "0.2 s" in problem["detail"]
        assert started.metric("sge_rejected_total", reason="time") == 1
        assert started.metric("sge_queue_depth") == 1
        started.engine.settings.time_limit_s = WAIT_S
        gate.open.set()
        assert first.result().status_code == 200
        assert post(started.client, route, jpeg(2)).status_code == 200
        assert gate.batches == [[sha256(jpeg(seed)).hexdigest()] for seed in (0, 2)]


@pytest.mark.slow
def test_an_image_in_its_forward_pass_is_given_up_too(hold: Hold) -> None:
    with running(time_limit_s=0.5) as started, hold(started):
        check_problem(post(started.client, "predict", jpeg()), 504)
        assert started.metric("sge_queue_depth") == 0


@pytest.mark.slow
def test_the_time_limit_holds_for_a_slow_upload() -> None:
    with running(time_limit_s=0.2) as started:
        exchange = Exchange("predict", [jpeg()[:100]], {"Content-Type": "image/jpeg"}, stalls=True)
        started.in_loop(exchange.run, started)
        assert exchange.status == 504
        assert started.engine.depth == 0


def test_a_bug_is_500_without_its_details_and_with_every_header(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def bug(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("secret: /home/somebody/key")

    monkeypatch.setattr(app.requests, "read_upload", bug)
    before = service.metric("sge_requests_total", route=f"{API}/predict", status="500")
    with caplog.at_level(logging.INFO, "sge.app"):
        answer = post(service.client, "predict", jpeg())
    problem = check_problem(answer, 500)
    assert "secret" not in answer.text
    assert "RuntimeError" not in answer.text
    assert problem["detail"].startswith("This is a fault of the server")
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert service.metric("sge_requests_total", route=f"{API}/predict", status="500") == before + 1
    assert service.engine.depth == 0
    trace = next(record.exc_info for record in caplog.records if record.message == "bug")
    assert trace is not None
    assert "secret" in str(trace[1])


def test_an_error_that_nobody_has_mapped_is_still_a_problem(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NewError(SGEError):
        """An error that the service does not map."""

    def fail(*_args: object, **_kwargs: object) -> None:
        raise NewError("Do that.")

    monkeypatch.setattr(app.requests, "read_upload", fail)
    assert check_problem(post(client, "predict", jpeg()), 422)["detail"] == "Do that."


def test_headers_protect_every_kind_of_answer(client: TestClient) -> None:
    answers = [
        client.get("/"),
        client.get("/static/samples/chelsea.jpg"),
        client.get("/static/nothing"),
        client.get(f"{API}/openapi.json"),
        client.get(f"{API}/metrics"),
        client.get(f"{API}/health/live"),
        post(client, "predict", jpeg()),
        post(client, "predict", b"?"),
        client.put(f"{API}/predict"),
    ]
    for answer in answers:
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert "script-src 'self';" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert json.loads(answers[-1].content)["status"] == 405


@pytest.mark.parametrize(
    "error", [CheckpointError("/srv/models/m.onnx was changed."), MissingPackageError("onnx")]
)
def test_what_changes_under_the_service_is_its_own_fault(
    error: SGEError, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "sge.app"):
        problem = as_problem(error)
    assert (problem.status, problem.reason, problem.retry_after_s) == (503, "failed", 60)
    assert str(error) not in problem.detail
    assert vars(caplog.records[-1])["reason"] == str(error)
