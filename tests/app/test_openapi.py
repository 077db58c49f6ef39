from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from tests.app.asking import jpeg, post
from tests.app.conftest import API, WAIT_S, until

POSTS = ("predict", "masks", "overlay", "ablate", "attribute", "steps", "analyze", "image")
V2_GETS: dict[str, set[int]] = {
    "": set(),
    "/health/live": set(),
    "/health/ready": {503},
    **{
        f"/models/{{name}}{version}{ready}": {404, 422, 503}
        for version in ("", "/versions/{version}")
        for ready in ("", "/ready")
    },
}
FORMATS = ("jpeg", "png", "webp", "gif", "avif")


@pytest.fixture(scope="module")
def document(service: Any) -> dict[str, Any]:
    document: dict[str, Any] = service.client.get("/openapi.json").json()
    return document


def test_every_operation_states_every_problem(document: dict[str, Any]) -> None:
    stated = {
        (path.removeprefix(API), method): {int(code) for code in operation["responses"]}
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    everything = {200, 400, 401, 403, 404, 413, 415, 421, 422, 500, 503, 504}
    before = {200, 400, 401, 421, 500}
    assert stated == {
        **{(f"/{route}", "post"): everything for route in POSTS},
        ("/image", "post"): everything - {404},  # it asks no model
        ("/models", "get"): before,
        ("/models/{name}", "get"): before | {404, 422},
        ("/health/live", "get"): before,
        ("/health/ready", "get"): before | {503},
        ("/metrics", "get"): before,
        **{(f"/v2{path}", "get"): before | more for path, more in V2_GETS.items()},
        **{
            (f"/v2/models/{{name}}{version}/infer", "post"): everything
            for version in ("", "/versions/{version}")
        },
    }


def test_every_problem_has_the_same_form(document: dict[str, Any]) -> None:
    for item in document["paths"].values():
        for operation in item.values():
            for code, response in operation["responses"].items():
                if int(code) < 400:
                    continue
                assert response["content"] == {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                }
                assert ("Retry-After" in response.get("headers", {})) == (code == "503")
    problem = document["components"]["schemas"]["Problem"]
    assert {"type", "title", "status", "detail"} <= set(problem["required"])


def test_the_document_names_every_image_format(document: dict[str, Any]) -> None:
    for route in POSTS:
        content = document["paths"][f"{API}/{route}"]["post"]["requestBody"]["content"]
        assert set(content) == {"multipart/form-data", *(f"image/{kind}" for kind in FORMATS)}
        assert content["multipart/form-data"]["schema"]["required"] == ["image"]


def test_every_answer_kind_is_stated(document: dict[str, Any]) -> None:
    kinds = {
        route: set(document["paths"][f"{API}/{route}"]["post"]["responses"]["200"]["content"])
        for route in POSTS
    }
    assert kinds == {
        "predict": {"application/json"},
        "masks": {
            *("application/json", "application/zip", "application/octet-stream", "application/vnd.sge.atlas"),
            "image/png",
        },
        "overlay": {"image/png"},
        "ablate": {"application/json"},
        "attribute": {"application/json"},
        "steps": {"application/json"},
        "analyze": {"application/json", "application/vnd.sge.atlas", "text/html"},
        "image": {"image/png", "image/jpeg"},
    }


@pytest.mark.parametrize(
    ("route", "schema"), [("analyze", "AnalysisOut"), ("masks", "MasksOut"), ("models", "ModelOut")]
)
def test_answers_are_their_schemas_and_hold_nothing_else(
    client: TestClient, document: dict[str, Any], route: str, schema: str
) -> None:
    # Closed schemas: a key that the document does not name must not be in the answer.
    for component in document["components"]["schemas"].values():
        if component["type"] == "object":
            component["additionalProperties"] = component.get("additionalProperties", False)
    validator = jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{schema}", **document})
    answer = (
        client.get(f"{API}/models").json()[0] if route == "models" else post(client, route, jpeg()).json()
    )
    assert [str(error) for error in validator.iter_errors(answer)] == []
    del answer[next(iter(answer))]
    assert not validator.is_valid(answer)


# Fuzzing: the document lists everything that may happen.

_SAMPLE = (Path(__file__).resolve().parents[2] / "static/samples/chelsea.jpg").read_bytes()


@functools.cache
def whole(kind: str) -> list[bytes]:
    return [_SAMPLE, *(jpeg(seed, size, kind) for seed, size in enumerate([(96, 64), (1, 1), (40, 400)]))]


def bodies(kind: str) -> st.SearchStrategy[bytes]:
    """Valid images, truncated ones, and noise."""
    images = st.sampled_from(whole(kind))
    cut = st.tuples(images, st.integers(0, 2000)).map(lambda pair: pair[0][: pair[1]])
    return st.one_of(images, images, cut, st.binary(max_size=200))


for _kind in FORMATS:
    schemathesis.openapi.media_type(f"image/{_kind}", bodies(_kind.upper()))
schemathesis.openapi.format("binary", bodies("JPEG"))


# Created when the tests are collected, and started by the fixture.
_application = create_app(Settings(time_limit_s=WAIT_S, threads=1, allowed_hosts=["*"]))
fuzzed = schemathesis.openapi.from_dict(_application.openapi()).exclude(path_regex="/versions/")
fuzzed.app = _application


@pytest.fixture(scope="module")
def _started(_no_settings_from_outside: None) -> Iterator[None]:
    with schemathesis.python.asgi.get_client(_application):
        until(lambda: _application.state.engine.ready)
    yield
    shutdown_lifespans()


RIGHT: dict[str, dict[str, Any]] = {
    "masks": {"blocks": "blocks.1.0,blocks.4.2", "groups": "3,8-10"},
    "overlay": {"block": "blocks.4.2", "group": "7"},
    "ablate": {"groups": "blocks.4.2:3,8-10;blocks.6.0", "target": ["beagle", "207"], "controls": 1},
    "attribute": {"blocks": "blocks.6.0", "target": "beagle"},
    "steps": {"block": "blocks.4.2", "group": 7},
    "analyze": {
        "blocks": "default,blocks.4.2",
        "target": "predicted",
        "ablate": "blocks.6.0:0-7",
        "controls": 1,
    },
}


def made_right(case: schemathesis.Case) -> bool:
    """Puts existing names into a case that fits the schemas; returns whether its image is valid too."""
    body = case.body.get("image") if isinstance(case.body, dict) else case.body
    data = getattr(body, "data", body)
    if case.meta is None or case.meta.generation.mode is not schemathesis.GenerationMode.POSITIVE:
        return False
    if not any(data in whole(kind.upper()) for kind in FORMATS):
        return False
    right = RIGHT.get(case.path.rsplit("/", 1)[-1], {})
    case.query.update({name: right[name] for name in right.keys() & case.query.keys()})
    if case.path.endswith("masks") and case.query.get("format") == "png" and "blocks" in case.query:
        case.query["blocks"] = "blocks.4.2"
    if case.query.get("rest"):  # the two that it needs
        case.query.update({"format": "atlas", "blocks": right["blocks"]})
    if case.query.get("method") == "ablation":  # of all blocks it is refused
        case.query["blocks"] = right["blocks"]
    return True


@pytest.mark.slow
@fuzzed.parametrize()
@settings(
    max_examples=30, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
@pytest.mark.usefixtures("_started")
def test_nothing_happens_that_the_document_does_not_state(case: schemathesis.Case) -> None:
    # Every check holds for every case, except that whatever fits the schemas is accepted: no schema can state which
    # bytes are a valid image and which blocks a network has. That check is made where both are right.
    right = made_right(case)
    case.call_and_validate(excluded_checks=[] if right else [positive_data_acceptance], timeout=WAIT_S)
