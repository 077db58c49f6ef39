"""Who is let in: hosts, sites and keys, hostile ones first."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app.settings import Settings
from tests.app.asking import check_problem
from tests.app.middleware.asking import answering, client

LOCAL = {"host": "127.0.0.1", "allowed_hosts": "auto"}
KEY = "correct-horse"


def refused(answer: Any, status: int, *says: str) -> None:
    detail = check_problem(answer, status)["detail"]
    assert all(text in detail for text in says), detail


# Hosts: a name of the attacker's that resolves to 127.0.0.1 must read nothing (DNS rebinding).


@pytest.mark.parametrize(
    "name",
    [
        "localhost",
        "LOCALHOST:8000",
        "127.0.0.1:8000",
        "[::1]",
        "[::1]:8000",
        "localhost.",
        "a.localhost",
        "localhost:",
    ],
)
def test_names_of_this_computer_are_let_in(name: str) -> None:
    assert client(**LOCAL).get("/", headers={"Host": name}).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "evil.org",
        "evil.org:8000",
        "localhost.evil.org",
        "127.0.0.1.evil.org",
        "evil.org@localhost",
        "localhost@evil.org",
        "localhost:8000@evil.org",
        "localhost:80:80",
        "localhost/",
        "localhost#",
        "localhost evil.org",
        "local\u017fhost",
        ".localhost",
        "[::1].evil.org",
        "[::1",
        "::1",
        "0.0.0.0",
        "2130706433",
        "",
        " ",
        "*",
        "*.localhost",
        "a" * 5000,
    ],
)
def test_no_other_name_is(name: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        answer = client(**LOCAL).request(method, "/", headers={"Host": name.encode("utf-8")})
        refused(answer, 421, "SGE_ALLOWED_HOSTS")
        assert "here" not in answer.text


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=40))
def test_only_names_that_are_listed_are(name: str) -> None:
    answer = client(allowed_hosts="a.org,*.b.org").get("/", headers={"Host": name.encode("latin-1")})
    known = re.fullmatch(r"(a\.org|[\w.-]+\.b\.org)\.?(:[0-9]*)?", name, re.IGNORECASE | re.ASCII)
    assert answer.status_code == (200 if known else 421)


def test_a_pattern_stands_for_the_names_below_it() -> None:
    asking = client(allowed_hosts="*.b.org")
    for name, status in {
        "x.b.org": 200,
        "x.y.b.org": 200,
        "b.org": 421,
        ".b.org": 421,
        "xb.org": 421,
    }.items():
        assert asking.get("/", headers={"Host": name}).status_code == status


def test_where_any_name_is_allowed_one_is_still_needed() -> None:
    asking = client(host="0.0.0.0", allowed_hosts="auto")
    assert asking.get("/", headers={"Host": "whatever.example"}).status_code == 200
    two = asking.get("/", headers=[("Host", "a"), ("Host", "b")])
    refused(two, 400, "Host")


@pytest.mark.parametrize(
    "path", ["/api/v1/health/live", "/api/v1/health/ready", "/v2/health/live", "/v2/health/ready"]
)
def test_health_is_told_to_load_balancers_that_know_only_the_address(path: str) -> None:
    assert client(**LOCAL).get(path, headers={"Host": "10.0.0.7:8000"}).status_code == 200
    refused(client(**LOCAL).get(path + "/", headers={"Host": "10.0.0.7:8000"}), 421)


# Sites


OWN = "http://127.0.0.1:8000"


def posted(headers: dict[str, str], **settings: Any) -> Any:
    return client(url=OWN, **LOCAL | settings).post("/api/v1/predict", headers=headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},  # curl
        {"Origin": OWN},
        {"Origin": OWN, "Sec-Fetch-Site": "same-origin"},
        {
            "Origin": "https://lens.example.org",
            "Sec-Fetch-Site": "same-origin",
        },  # a proxy that does not pass Host on
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_programs_and_the_page_itself_may_post(headers: dict[str, str]) -> None:
    assert posted(headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.org"},
        {"Origin": "http://evil.org", "Sec-Fetch-Site": "cross-site"},
        {"Origin": OWN, "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost:8000"},
        {"Origin": "http://127.0.0.1:3000", "Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "https://127.0.0.1:8001"},
        {"Origin": "http://127.0.0.1:8000@evil.org"},
        {"Origin": "http://evil.org#127.0.0.1:8000"},
        {"Origin": "http://127.0.0.1:8000.evil.org"},
        {"Origin": "http://[127.0.0.1:8000"},
        {"Origin": "null"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": ""},
        {"Origin": f"{OWN}, http://evil.org"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "Same-Origin, none"},
    ],
)
def test_pages_of_other_sites_may_not(headers: dict[str, str]) -> None:
    refused(posted(headers), 403, "SGE_CORS_ORIGINS")
    for method in ("PUT", "DELETE", "PATCH", "QUERY"):
        assert client(url=OWN, **LOCAL).request(method, "/", headers=headers).status_code == 403


def test_two_origins_are_none_of_ours() -> None:
    answer = client(url=OWN, **LOCAL).post("/", headers=[("Origin", OWN), ("Origin", "http://evil.org")])
    refused(answer, 403)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://a.org", "http://a.org"),
        ("http://a.org:443", "https://a.org"),
        ("https://a.org", "https://a.org:443"),
        ("http://[::1]:81", "http://[::1]:81"),
    ],
)
def test_a_port_that_a_scheme_implies_may_be_left_out(url: str, origin: str) -> None:
    assert client(url=url).post("/", headers={"Origin": origin}).status_code == 200


# Sharing with the sites that are named

SITE = "https://app.example.org"
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


def test_a_named_site_may_post_and_read() -> None:
    asking = client(cors_origins=f"{SITE},https://*.b.org")
    for origin in (SITE, "https://x.b.org"):
        answer = asking.post("/", headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == origin
        assert "Origin" in answer.headers["vary"]
        assert "X-SGE-Notes" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers
        before = asking.options("/", headers={"Origin": origin} | ASKS)
        assert before.status_code == 204
        assert before.headers["access-control-allow-origin"] == origin
        assert "Content-Type" in before.headers["access-control-allow-headers"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.org",
        "http://app.example.org",
        f"{SITE}.evil.org",
        f"{SITE}:8443",
        "null",
        "https://.b.org",
        "https://xb.org",
    ],
)
def test_another_site_learns_nothing(origin: str) -> None:
    asking = client(cors_origins=f"{SITE},https://*.b.org")
    for answer in (
        asking.post("/", headers={"Origin": origin}),
        asking.get("/", headers={"Origin": origin}),
        asking.options("/", headers={"Origin": origin} | ASKS),
    ):
        assert "access-control-allow-origin" not in answer.headers
    assert asking.options("/", headers={"Origin": origin} | ASKS).status_code == 403


def test_any_site_where_all_are_named() -> None:
    answer = client(cors_origins="*").post("/", headers={"Origin": "null"})
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_problem_can_be_read_by_a_named_site_too() -> None:
    answer = client(answering(status=503), cors_origins=SITE, api_key=KEY).get("/", headers={"Origin": SITE})
    refused(answer, 401)
    assert answer.headers["access-control-allow-origin"] == SITE


def test_without_sites_nothing_is_shared() -> None:
    answer = client().get("/", headers={"Origin": SITE})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert client().options("/", headers={"Origin": SITE} | ASKS).status_code == 403


# Keys


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    "given",
    [
        f"Bearer {KEY}",
        f"bearer   {KEY}",
        basic(f":{KEY}"),
        basic(f"me:{KEY}"),
        basic(f"me:{KEY}").replace("Basic", "BASIC"),
    ],
)
def test_the_key_opens(given: str) -> None:
    assert client(api_key=KEY).post("/", headers={"Authorization": given}).text == "here"


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        KEY,
        "Bearer",
        "Bearer ",
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        f"Bearer {KEY.upper()}",
        f"Token {KEY}",
        f"Bearer {KEY}, Bearer x",
        basic(KEY),
        basic(f"{KEY}:"),
        basic(f"me:{KEY}:"),
        f"Basic {KEY}",
        "Basic ====",
        "Basic \xff",
        "Bearer " + "a" * 60_000,
    ],
)
@pytest.mark.parametrize(
    "path",
    ["/", "/api/v1/models", "/api/v1/health/ready", "/metrics", "/static/favicon.svg", "/docs", "/nothing"],
)
def test_nothing_else_does(given: str | None, path: str) -> None:
    headers = {} if given is None else {"Authorization": given.encode("latin-1")}
    answer = client(api_key=KEY).get(path, headers=headers)
    refused(answer, 401, "Authorization: Bearer")
    assert [value.split()[0] for value in answer.headers.get_list("www-authenticate")] == ["Bearer", "Basic"]
    assert KEY not in answer.text


def test_two_keys_are_none() -> None:
    right = ("Authorization", f"Bearer {KEY}")
    refused(client(api_key=KEY).get("/", headers=[right, ("Authorization", "Bearer x")]), 401)


@pytest.mark.parametrize("path", ["/api/v1/health/live", "/v2/health/live"])
def test_whether_the_process_lives_is_told_to_everybody(path: str) -> None:
    asking = client(api_key=KEY)
    assert asking.get(path).text == "here"
    assert asking.head(path).status_code == 200
    for other in (f"{path}/", f"{path}/../models", f"/x{path}", path.upper()):
        refused(asking.get(other), 401)


def test_below_a_root_path_too() -> None:
    asking = client(api_key=KEY, root_path="/lens")
    assert asking.get("/lens/api/v1/health/live").text == "here"
    refused(asking.get("/lens/api/v1/models"), 401)


def test_a_browser_asks_another_site_before_it_has_a_key() -> None:
    answer = client(api_key=KEY, cors_origins=SITE).options("/", headers={"Origin": SITE} | ASKS)
    assert answer.status_code == 204


def test_a_refusal_of_the_inference_protocol_is_in_its_form() -> None:
    problem = check_problem(client(api_key=KEY).get("/v2/models/x"), 401)
    assert problem["error"] == problem["detail"]


def test_the_key_is_not_in_what_is_printed() -> None:
    assert KEY not in repr(Settings(api_key=KEY))  # type: ignore[arg-type]


def test_refusals_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    from app.metrics import Metrics
    from tests.app.middleware.asking import edge

    metrics = Metrics()
    asking = TestClient(edge(metrics=metrics, api_key=KEY))
    asking.get("/")
    asking.post("/", headers={"Origin": "https://evil.org"})
    asking.get("/", headers={"Host": ""})
    assert metrics.registry.get_sample_value("sge_rejected_total", {"reason": "key"}) == 2
    assert metrics.registry.get_sample_value("sge_rejected_total", {"reason": "origin"}) == 1
