from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.middleware import HEADERS
from app.pages import samples, static_folder
from tests.app.asking import check_problem, post
from tests.app.conftest import Service, running


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app/main.py",
        "/static/%2e%2e/app/main.py",
        "/static/..%2fapp%2fmain.py",
        "/static/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/static/samples/%252e%252e/%252e%252e/pyproject.toml",
        "/static//etc/passwd",
        "/static/..\\app\\main.py",
        "/static/samples/%00.jpg",
        "/static/" + "a" * 5000,
        "/static/samples",
        "/static/",
        "/static",
        "/samples/..%2f..%2fapp/analysis",
        "/samples/nothing/analysis",
        "/samples/chelsea.jpg/analysis",
        "/.env",
        "/app/main.py",
    ],
)
def test_nothing_outside_the_static_folder_is_served(client: TestClient, path: str) -> None:
    check_problem(client.get(path), 404)


def test_a_link_in_the_static_folder_does_not_lead_out_of_it(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "link.txt").symlink_to(secret)
    monkeypatch.setattr("app.pages.static_folder", lambda: folder)
    with running() as started:
        check_problem(started.client.get("/static/link.txt"), 404)


def test_static_files_are_for_reading(client: TestClient) -> None:
    check_problem(client.post("/static/samples/chelsea.jpg"), 405)
    check_problem(client.put("/"), 405)


def test_the_page_opens_with_every_header(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "<script>" not in answer.text  # the policy would not run it
    assert " style=" not in answer.text


def test_every_sample_is_there_with_its_credit(client: TestClient) -> None:
    assert len(samples()) >= 4
    assert len({sample["id"] for sample in samples()}) == len(samples())
    for sample in samples():
        assert all(sample[key] for key in ("id", "file", "thumb", "title", "credit", "licence", "source"))
        for key in ("file", "thumb"):
            answer = client.get(f"/static/samples/{sample[key]}")
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "image/jpeg"


@pytest.mark.slow
def test_a_sample_is_analysed_once_and_as_the_api_does() -> None:
    with running() as started:
        first = started.client.get("/samples/chelsea/analysis")
        passes = started.metric("sge_batch_size_count")
        again = started.client.get("/samples/chelsea/analysis?model=sge_efficientnet_lite0")
        assert first.content == again.content
        assert first.headers["content-type"] == "application/json"
        assert started.metric("sge_batch_size_count") == passes == 1
        data = (static_folder() / "samples" / "chelsea.jpg").read_bytes()
        posted = post(started.client, "analyze", data, target="predicted").json()
        assert json.loads(first.content) == posted | {"image": posted["image"] | {"name": "chelsea.jpg"}}


def test_a_sample_of_an_unknown_model_is_404(service: Service) -> None:
    problem = check_problem(service.client.get("/samples/chelsea/analysis?model=nothing"), 404)
    assert "sge_efficientnet_lite0" in problem["detail"]
