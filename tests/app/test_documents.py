"""The OpenAPI document, its page, and the icon."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.app.asking import check_problem
from tests.app.conftest import API
from tests.app.middleware.asking import fresh


@pytest.fixture(scope="module")
def plain() -> TestClient:
    """A service without models."""
    return fresh()


class Page(HTMLParser):
    """What a page holds: tags with their attributes, ids, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(name))]


def test_both_addresses_give_one_document(plain: TestClient) -> None:
    answer = plain.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["info"]["title"] == "SGE Lens"
    assert answer.json()["servers"] == [{"url": "/"}]
    assert plain.get(f"{API}/openapi.json").content == answer.content
    for path in ("/redoc", "/docs/", "/docs/oauth2-redirect", "/openapi.yaml"):
        check_problem(plain.get(path), 404)


def test_the_document_is_sent_once(plain: TestClient) -> None:
    first = plain.get("/openapi.json")
    assert first.headers["cache-control"] == "no-cache"
    again = plain.get("/openapi.json", headers={"If-None-Match": f'"x", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert plain.get("/openapi.json", headers={"If-None-Match": '"x"'}).status_code == 200


def test_the_page_shows_every_operation_parameter_and_schema(plain: TestClient) -> None:
    document: dict[str, Any] = plain.get("/openapi.json").json()
    answer = plain.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = Page(answer.text)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    for path, item in document["paths"].items():
        assert path in page.text
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                assert parameter["name"] in page.text
    for name in document["components"]["schemas"]:
        assert f"schema-{name}" in ids
    links = [link[1:] for link in page.values("href") if link.startswith("#")]
    assert len(links) > 50
    assert set(links) <= set(ids)


def test_the_page_runs_under_the_policy_and_needs_no_other_host(plain: TestClient) -> None:
    page = Page(plain.get("/docs").text)
    assert not [
        tag for tag, attributes in page.tags if tag in ("script", "style", "iframe") or "style" in attributes
    ]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    loaded = [link for link in page.values("href") + page.values("src") if not link.startswith("#")]
    for link in loaded:
        assert not re.match(r"[a-z]+:|/", link), link
        assert plain.get(f"/{link}").status_code == 200


@pytest.mark.parametrize("host", ['"><script>alert(1)</script>', "a`b", "x" * 300, "{{7*7}}"])
def test_a_hostile_host_does_not_reach_the_page(plain: TestClient, host: str) -> None:
    text = plain.get("/docs", headers={"Host": host}).text
    assert host not in text
    assert "<script" not in text
    assert "curl -F image=@photo.jpg /api/v1/predict" in text


def test_commands_name_the_address_of_the_service() -> None:
    below = fresh(root_path="/lens")
    assert "http://testserver/lens/api/v1/predict" in below.get("/lens/docs").text
    assert below.get("/lens/openapi.json").json()["servers"] == [{"url": "/lens"}]


@pytest.mark.parametrize("root", ["", "/lens"])
def test_the_text_for_language_models_names_addresses_that_answer(root: str) -> None:
    service = fresh(root_path=root, models=["sge_resnet18_dogs", "<b>.safetensors"])
    answer = service.get(f"{root}/llms.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith("# SGE Lens\n\n> ")
    links = re.findall(r"\]\(([^)]+)\)", answer.text)
    assert len(links) == 4
    for link in links:
        assert service.get(link).status_code == 200, link
    documented = service.get(f"{root}/openapi.json").json()["paths"]
    for route in re.findall(r"`(?:POST )?(/[a-z]+)`", answer.text):
        assert f"{API}{route}" in documented
    assert "`sge_resnet18_dogs`" in answer.text
    assert str(20 * 1024 * 1024) in answer.text


def test_the_icon_is_an_icon(plain: TestClient) -> None:
    answer = plain.get("/favicon.ico")
    assert answer.headers["content-type"] == "image/x-icon"
    with Image.open(io.BytesIO(answer.content), formats=["ICO"]) as icon:
        assert icon.info["sizes"] == {(16, 16), (32, 32), (48, 48)}


def test_every_address_that_can_be_got_has_a_head(plain: TestClient) -> None:
    document = plain.get("/openapi.json").json()
    paths = [path for path, item in document["paths"].items() if "get" in item and "{" not in path]
    for path in [
        *paths,
        "/",
        "/docs",
        "/openapi.json",
        "/favicon.ico",
        "/llms.txt",
        "/static/favicon.svg",
        "/static/js/page.js",
    ]:
        got, head = (plain.request(method, path, headers={"X-Request-ID": "1"}) for method in ("GET", "HEAD"))
        assert head.status_code == got.status_code, path
        assert head.content == b""
        if "metrics" not in path:
            assert head.headers == got.headers
    refused = plain.head(f"{API}/predict")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert plain.post("/docs").headers["allow"] == "GET, HEAD"
