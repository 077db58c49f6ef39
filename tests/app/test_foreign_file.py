"""A service of an ONNX file that somebody else made: its masks are answered, and nothing that it lacks is a fault."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest

import sge
from sge.models import import_weights
from tests.app.asking import check_problem, jpeg, post
from tests.app.conftest import API, Service, running
from tests.models.foreign_files import GROUPS, foreign, saved


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, sge.Lens]]:
    folder = tmp_path_factory.mktemp("foreign")
    path = import_weights(
        saved(foreign(image=(1, 3, 64, 96)), folder),
        "theirs",
        folder,
        maps=["layer1=att/\u00e4", "layer2=sigmoid(before)"],
        labels=["a", "b", "c"],
    )
    with running(models=[str(path)], backend="auto") as started:
        yield started, sge.Lens(sge.load_model(str(path)))


def test_the_masks_are_answered(served: tuple[Service, sge.Lens]) -> None:
    service, lens = served
    expected = lens.analyze(jpeg())
    (listed,) = service.client.get(f"{API}/models").json()
    assert [(block["name"], block["signals"]) for block in listed["blocks"]] == [
        ("layer1", ["mask"]),
        ("layer2", ["mask"]),
    ]
    assert (listed["blocks"][0]["height"], listed["blocks"][0]["width"]) == expected.masks["layer1"].shape[1:]
    found = post(service.client, "analyze", jpeg()).json()
    assert (found["signal"], set(found["masks"])) == ("mask", {"layer1", "layer2"})
    assert (found["similarity"], found["energy"]) == ({}, {})
    assert found["included"] == {"masks": ["layer1", "layer2"], "similarity": [], "energy": []}
    assert len(found["focus"]["layer1"]) == GROUPS
    assert found["geometry"]["input"] == [96, 64]
    assert found["predictions"][0]["label"] == expected.predictions[0].label
    assert any("lacks similarity" in note for note in found["model"]["notes"])
    shown = post(service.client, "masks", jpeg(), format="npz", blocks="layer1")
    with np.load(BytesIO(shown.content)) as arrays:
        np.testing.assert_allclose(arrays["layer1"], expected.masks["layer1"], atol=1e-3)


@pytest.mark.parametrize(
    ("route", "query", "start"),
    [
        ("analyze", {"format": "atlas", "blocks": "default", "rest": "true"}, b"SGEATLAS"),
        ("analyze", {"format": "html", "blocks": "layer1"}, b"<!doctype html>"),
        ("masks", {"format": "png", "blocks": "layer2"}, b"\x89PNG"),
        ("overlay", {"block": "layer1", "group": "2"}, b"\x89PNG"),
        ("predict", {}, b"[{"),
    ],
)
def test_other_answers(
    served: tuple[Service, sge.Lens], route: str, query: dict[str, str], start: bytes
) -> None:
    answer = post(served[0].client, route, jpeg(), **query)
    assert answer.status_code == 200, answer.text[:300]
    assert answer.content.startswith(start)


@pytest.mark.parametrize(
    ("route", "query", "said"),
    [
        ("masks", {"signal": "similarity"}, "gives no similarity of layer1"),
        ("overlay", {"block": "layer1", "signal": "similarity", "group": "0"}, "gives no similarity"),
        ("ablate", {"groups": "layer1:0"}, "no groups"),
        ("attribute", {}, "no groups"),
        ("steps", {"block": "layer1"}, "no groups"),
        ("analyze", {"size": "128"}, "size"),
    ],
)
def test_what_is_absent_is_said(
    served: tuple[Service, sge.Lens], route: str, query: dict[str, str], said: str
) -> None:
    problem = check_problem(post(served[0].client, route, jpeg(), **query), 422)
    assert said in problem["detail"]


def test_the_inference_protocol_lists_the_masks(served: tuple[Service, sge.Lens]) -> None:
    outputs = served[0].client.get("/v2/models/theirs").json()["outputs"]
    assert [one["name"] for one in outputs if "/" in one["name"]] == ["mask/layer1", "mask/layer2"]
