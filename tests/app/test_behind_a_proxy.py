"""The service below ``/lens/``, behind nginx as deploy/ configures it and behind a proxy that takes the path off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from app.pages import modules, static_folder
from tests.app.asking import check_problem
from tests.app.conftest import API
from tests.app.prefix_proxy import NGINX, nginx, stripping

PROXIES = {"nginx": nginx, "stripping": stripping}


@pytest.fixture(scope="module", params=PROXIES)
def proxied(
    request: pytest.FixtureRequest, real_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A client of a proxy; its addresses begin at the proxy's root."""
    if request.param == "nginx" and NGINX is None:
        pytest.skip("no nginx here: apt-get install nginx, or name it in SGE_NGINX")
    with (
        PROXIES[request.param](real_port, tmp_path_factory.mktemp("proxy")) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        client.headers["X-Test"] = request.param
        yield client


@pytest.mark.parametrize("page", ["/lens/", "/lens/?embed=1", "/lens/docs"])
def test_everything_that_a_page_names_is_found_below_the_path(proxied: httpx.Client, page: str) -> None:
    answer = proxied.get(page)
    assert answer.status_code == 200
    named = [link for link in re.findall(r'(?:src|href)="([^"#]+)"', answer.text) if "://" not in link]
    assert len(named) >= 4
    for link in named:
        address = urljoin(str(answer.url), link)
        assert address.startswith(f"{proxied.base_url}/lens/".replace("//lens", "/lens"))
        assert proxied.get(address).status_code == 200, address


def test_scripts_name_no_address_from_the_root() -> None:
    for path in modules():
        text = (static_folder() / "js" / path).read_text("utf-8")
        assert not re.findall(r"""["'`]/(?:api|static|samples|docs|v2)\b""", text), path


def test_the_path_without_its_slash_leads_to_the_page(proxied: httpx.Client) -> None:
    if proxied.headers["X-Test"] == "stripping":
        pytest.skip("this proxy has nothing to pass on")
    answer = proxied.get("/lens")
    assert (answer.status_code, answer.headers["location"]) == (308, "/lens/")
    assert proxied.get("/").status_code == 404


def test_images_are_answered_and_problems_name_the_address(proxied: httpx.Client, photo: bytes) -> None:
    own = str(proxied.base_url).rstrip("/")
    headers = {"Content-Type": "image/jpeg", "Origin": own, "X-Request-ID": "from-outside"}
    answer = proxied.post(f"/lens{API}/predict?top_k=1", content=photo, headers=headers)
    assert answer.json()[0]["label"]
    assert answer.headers["x-request-id"] == "from-outside"
    problem = proxied.post(f"/lens{API}/predict", content=b"x", headers={"Content-Type": "text/plain"})
    scheme = {"nginx": "http", "stripping": "https"}[proxied.headers["X-Test"]]
    command = f"curl -F image=@photo.jpg {own.replace('http', scheme)}/lens{API}/predict"
    assert command in check_problem(problem, 415)["detail"]
    refused = proxied.post(
        f"/lens{API}/predict", content=photo, headers=headers | {"Origin": "https://evil.org"}
    )
    check_problem(refused, 403)


def test_compression_head_and_tags_pass(proxied: httpx.Client) -> None:
    answer = proxied.get("/lens/openapi.json")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json()["servers"] == [{"url": "/lens"}]
    assert (
        proxied.get("/lens/openapi.json", headers={"If-None-Match": answer.headers["etag"]}).status_code
        == 304
    )
    head = proxied.head(f"/lens{API}/models")
    assert (head.status_code, head.content) == (200, b"")


def test_the_configuration_holds_what_the_service_allows() -> None:
    text = (Path(__file__).resolve().parents[2] / "deploy/nginx/sge-lens.conf").read_text("utf-8")
    assert "client_max_body_size 21m" in text  # SGE_MAX_BYTES is 20 MiB
    assert "proxy_read_timeout 35s" in text  # SGE_TIME_LIMIT_S is 30
