"""Parameters that cannot be used: sentences of our own, for every parameter of every route."""

from __future__ import annotations

import json
from typing import Any, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Route

from app import api, effect_api, image_api
from tests.app.asking import check_problem, jpeg
from tests.app.conftest import API, Service
from tests.app.test_upload_problems import FOREIGN

ROUTES: dict[str, Any] = {
    route.path.removeprefix(API): route
    for router in (api.router, effect_api.router, image_api.router)
    for route in router.routes
    if isinstance(route, Route) and "POST" in (route.methods or ())
}
PARAMETERS = [(path, field.alias) for path, route in ROUTES.items() for field in route.dependant.query_params]
JUNK = [
    "",
    " ",
    "-1",
    "1e9",
    "nan",
    "inf",
    "٣",
    "9" * 400,
    "x" * 7000,
    "\x00",
    "\ufffd",
    "null",
    "[]",
    "{}",
    "<b>",
    "%",
    "1;2",
]
NEEDED = {"/ablate": {"groups": "blocks.5.0:0"}}


def ask(service: Service, path: str, query: dict[str, Any]) -> Any:
    return service.client.post(
        f"{API}{path}",
        params=NEEDED.get(path, {}) | query,
        content=b"",
        headers={"Content-Type": "image/jpeg"},
    )


@pytest.mark.parametrize(("path", "name"), PARAMETERS)
def test_junk_gets_a_sentence_of_our_own(service: Service, path: str, name: str) -> None:
    for value in JUNK:
        answer = ask(service, path, {name: value})
        # Text such as a view may be anything; then the empty body is refused.
        problem = check_problem(answer, answer.status_code)
        assert answer.status_code in (400, 404, 422)
        detail = problem["detail"]
        assert "Input should" not in detail
        assert "\x00" not in detail
        if answer.status_code == 422:
            assert not [word for word in FOREIGN if word in detail], detail
            for sentence in problem.get("errors", []):
                assert sentence.startswith(f"{name} ")
                assert sentence in detail


@pytest.mark.parametrize(("path", "name"), PARAMETERS)
def test_a_value_out_of_range_names_the_range(service: Service, path: str, name: str) -> None:
    info = next(field.field_info for field in ROUTES[path].dependant.query_params if field.alias == name)
    limits = {key: getattr(each, key) for each in info.metadata for key in ("ge", "le") if hasattr(each, key)}
    kinds = [info.annotation, *get_args(info.annotation)]
    choices = next((get_args(kind) for kind in kinds if "Literal" in str(get_origin(kind))), ())
    if limits:
        for value in (limits["ge"] - 1, limits["le"] + 1, "seven"):
            detail = check_problem(ask(service, path, {name: value}), 422)["detail"]
            assert f"from {limits['ge']} to {limits['le']}." in detail
    for choice in choices:
        detail = check_problem(ask(service, path, {name: f"{choice}s"}), 422)["detail"]
        assert all(repr(each) in detail for each in choices)


@pytest.mark.parametrize(("path", "name"), PARAMETERS)
def test_a_second_value_is_refused_and_not_ignored(service: Service, path: str, name: str) -> None:
    good = {"groups": "0", "top_k": "5"}.get(name, "")
    answer = ask(service, path, {name: [good] * 3})
    detail = check_problem(answer, answer.status_code)["detail"]
    assert answer.status_code == 422
    assert name in detail or good == ""


def test_what_is_missing_is_described(service: Service) -> None:
    answer = service.client.post(f"{API}/ablate", content=jpeg())
    problem = check_problem(answer, 422)
    assert problem["detail"].startswith("groups is missing. Add groups= to the address: BLOCK:NUMBERS")
    assert problem["errors"] == [problem["detail"]]


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    path=st.sampled_from(
        [
            *(f"{API}{path}" for path in ROUTES),
            f"{API}/models",
            f"{API}/models/x",
            "/",
            "/static/js",
            "/samples/a/analysis",
        ]
    ),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"]),
    query=st.dictionaries(
        st.one_of(st.sampled_from(["top_k", "model", "groups", "format"]), st.text(max_size=6)),
        st.text(max_size=8),
        max_size=3,
    ),
)
def test_every_address_answers_in_our_own_words(
    service: Service, path: str, method: str, query: dict[str, str]
) -> None:
    query = {
        k.encode("utf-8", "replace").decode(): v.encode("utf-8", "replace").decode() for k, v in query.items()
    }
    answer = service.client.request(method, path, params=query, content=b"?")
    assert answer.status_code < 500
    if answer.status_code >= 400:
        detail = check_problem(answer, answer.status_code)["detail"]
        assert "Input should" not in detail
        assert detail not in ("Not Found.", "Method Not Allowed.")
    elif answer.headers["content-type"] == "application/json":
        json.loads(answer.content, parse_constant=lambda text: pytest.fail(text))
