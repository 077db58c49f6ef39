"""The Open Inference Protocol on a real server, asked by NVIDIA's client package and by plain HTTP."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from sge import Lens
from tests.app.asking import check_problem
from tests.app.conftest import API, Service

MODEL = "sge_efficientnet_lite0"
BLOCK = "blocks.4.2"
triton = pytest.importorskip("tritonclient.http", reason="no tritonclient[http] here")
InferenceServerException = pytest.importorskip("tritonclient.utils").InferenceServerException


@pytest.fixture(scope="module")
def remote(real_port: int) -> Iterator[Any]:
    client = triton.InferenceServerClient(f"127.0.0.1:{real_port}")
    yield client
    client.close()


def image(data: bytes, **binary: Any) -> Any:
    if binary:  # as text, as the client does for binary_data=False
        tensor = triton.InferInput("image", [1], "BYTES")
        return tensor.set_data_from_numpy(np.array([base64.b64encode(data)], np.object_), binary_data=False)
    return triton.InferInput("image", [1], "BYTES").set_data_from_numpy(np.array([data], np.object_))


def test_a_client_finds_what_it_needs(remote: Any) -> None:
    assert remote.is_server_live()
    assert remote.is_server_ready()
    assert remote.is_model_ready(MODEL)
    assert remote.is_model_ready(MODEL, "1")
    assert remote.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    described = remote.get_model_metadata(MODEL)
    assert described["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [1]}]
    shapes = {output["name"]: output["shape"] for output in described["outputs"]}
    assert shapes["label"] == [1, -1]
    assert shapes[f"mask/{BLOCK}"][:2] == [1, 56]


def test_predictions_are_those_of_the_library(remote: Any, lens: Lens, photo: bytes) -> None:
    expected = lens.analyze(photo, top_k=3).predictions
    result = remote.infer(MODEL, [image(photo)], parameters={"top_k": 3}, request_id="r1")
    assert result.get_response()["id"] == "r1"
    labels = result.as_numpy("label")
    assert [text.decode() for text in labels.ravel()] == [each.label for each in expected]
    assert result.as_numpy("index").ravel().tolist() == [each.index for each in expected]
    np.testing.assert_allclose(result.as_numpy("score").ravel(), [each.score for each in expected], rtol=1e-3)
    assert labels.shape == (1, 3)


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
def test_maps_are_those_of_the_library(
    remote: Any, lens: Lens, photo: bytes, as_json: bool, coding: str | None
) -> None:
    analysis = lens.analyze(photo, framing="center")
    outputs = [
        triton.InferRequestedOutput(name, binary_data=not as_json)
        for name in (f"similarity/{BLOCK}", "label")
    ]
    result = remote.infer(
        MODEL,
        [image(photo, **({"binary": False} if as_json else {}))],
        model_version="1",
        outputs=outputs,
        parameters={"framing": "center"},
        request_compression_algorithm=coding,
        response_compression_algorithm=coding,
    )
    values = result.as_numpy(f"similarity/{BLOCK}")
    assert values.dtype == np.float32
    np.testing.assert_allclose(values[0], analysis.similarity[BLOCK], atol=1e-2)
    assert result.as_numpy("mask/blocks.4.2") is None  # not asked for


def test_refusals_reach_the_client_as_its_own_errors(remote: Any, photo: bytes) -> None:
    cases: list[tuple[str, Any, dict[str, Any]]] = [
        ("No model 'nothing'", image(photo), {"model_name": "nothing"}),
        ("one version, 1", image(photo), {"model_version": "2"}),
        (
            "No output 'mask/blocks.9'",
            image(photo),
            {"outputs": [triton.InferRequestedOutput("mask/blocks.9")]},
        ),
        ("No parameter 'k'", image(photo), {"parameters": {"k": 1}}),
        ("base64 text", image(base64.b64encode(photo)), {}),
        ("empty", image(b""), {}),
    ]
    for says, tensor, more in cases:
        with pytest.raises(InferenceServerException) as caught:
            remote.infer(**{"model_name": MODEL, "inputs": [tensor]} | more)
        assert says in str(caught.value)
    assert remote.is_model_ready("nothing") is False


def test_every_problem_is_in_both_forms(service: Service) -> None:
    for answer in (
        service.client.post(
            f"/v2/models/{MODEL}/infer", content=b"{", headers={"Content-Type": "application/json"}
        ),
        service.client.get("/v2/models/nothing"),
        service.client.get("/v2/models/nothing/ready"),
        service.client.get("/v2/nothing"),
        service.client.post("/v2"),
    ):
        problem = check_problem(answer, answer.status_code)
        assert 400 <= answer.status_code < 500
        assert problem["error"] == problem["detail"]


def test_an_image_has_the_limit_of_every_upload(service: Service) -> None:
    most = service.engine.settings.max_bytes
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1]}
    for size in (most + 1, 2 * most):
        text = base64.b64encode(bytes(size)).decode()
        answer = service.client.post(
            f"/v2/models/{MODEL}/infer", json={"inputs": [tensor | {"data": [text]}]}
        )
        check_problem(answer, 413)


def test_plain_json_needs_no_client(real_port: int, photo: bytes) -> None:
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(photo).decode()]}
    address = f"http://127.0.0.1:{real_port}"
    answer = httpx.post(f"{address}/v2/models/{MODEL}/infer", json={"inputs": [tensor]}, timeout=60)
    asked = httpx.post(
        f"{address}{API}/predict", content=photo, headers={"Content-Type": "image/jpeg"}, timeout=60
    )
    outputs = {each["name"]: each["data"] for each in answer.json()["outputs"]}
    assert outputs["label"] == [each["label"] for each in asked.json()]
    assert httpx.head(f"{address}/v2/health/ready").status_code == 200
