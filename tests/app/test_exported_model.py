"""A service of an exported file: what it gives, and what it refuses because only torch can give it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from app.slots import PROBE_SIZE, SIZES, Slot
from sge import Lens, load_model
from sge.models import export_onnx
from tests.app.asking import check_problem, jpeg, post
from tests.app.conftest import API, Service, running
from tests.lens.networks import lens_of, resnet

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
BLOCK = "layer3.1"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Lens]]:
    path = tmp_path_factory.mktemp("exported") / "small.onnx"
    export_onnx(lens_of(resnet()).model, path)
    with running(models=[str(path)], backend="auto") as started:
        yield started, Lens(load_model(str(path)))


@pytest.mark.parametrize(
    ("route", "query", "sentence"),
    [
        ("steps", {"block": BLOCK}, "exported file"),
        ("attribute", {"method": "gradient"}, "exported file"),
        ("attribute", {"method": "gradient", "blocks": BLOCK}, "exported file"),
        ("attribute", {"blocks": "layer9"}, "there are: layer1.0"),
        ("ablate", {"groups": f"{BLOCK}:16"}, f"{BLOCK} has groups 0 to 15"),
    ],
)
def test_refusals(exported: tuple[Service, Lens], route: str, query: dict[str, str], sentence: str) -> None:
    """Before the upload is read: it is no image."""
    problem = check_problem(post(exported[0].client, route, b"no image", **query), 422)
    assert sentence in problem["detail"]


def test_answers_are_those_of_the_library(exported: tuple[Service, Lens]) -> None:
    service, lens = exported
    client = service.client
    expected = lens.analyze(jpeg(), top_k=5)
    assert post(client, "predict", jpeg()).json()[0]["index"] == expected.predictions[0].index
    found = post(client, "analyze", jpeg(), target="predicted", ablate=f"{BLOCK}:0,3").json()
    assert [block["name"] for block in found["blocks"]] == list(lens.groups)
    assert set(found["masks"]) == set(lens.groups)
    assert found["ablation"]["groups"] == {BLOCK: [0, 3]}
    attribution = post(client, "attribute", jpeg(), blocks=BLOCK).json()
    effect = lens.attribute(jpeg(), blocks=[BLOCK])
    assert attribution["effect"][BLOCK] == pytest.approx(effect[BLOCK].tolist(), abs=1e-4)
    assert attribution["method"] == {BLOCK: "ablation"}
    assert attribution["grad_cam"] is None
    for route, query in (("overlay", {"block": BLOCK}), ("masks", {"blocks": BLOCK}), ("image", {})):
        assert post(client, route, jpeg(), **query).status_code == 200
    report = post(client, "analyze", jpeg(), target="predicted", format="html")
    assert report.headers["content-type"].startswith("text/html")


def test_facts_of_the_model(exported: tuple[Service, Lens]) -> None:
    service, lens = exported
    (facts,) = service.client.get(f"{API}/models").json()
    assert (facts["ready"], facts["device"], facts["precision"]) == (True, "cpu", "float32")
    assert (facts["classes"], facts["parameters"]) == (5, lens.model.parameters)
    assert facts["memory_bytes"] == lens.memory_bytes > 0
    assert [block["name"] for block in facts["blocks"]] == list(lens.groups)


@pytest.mark.parametrize("is_default", [True, False])
def test_a_model_that_nobody_asks_for_takes_no_memory(
    exported: tuple[Service, Lens], is_default: bool
) -> None:
    """Its blocks are those of the network, and its first answer is that of another lens."""
    path = str(exported[1].model.path)
    slot = Slot("small", path, is_default=is_default)
    slot.load("cpu", "auto")
    lens, gray = slot.require_lens(), Image.new("RGB", PROBE_SIZE, "gray")
    assert bool(lens._backend._sessions._made) == is_default
    network = lens_of(resnet()).analyze(gray, wanted=SIZES)
    assert slot.blocks == lens.stated_blocks == network.blocks
    assert (slot.default_block, slot.signal) == (network.default_block, network.signal)
    assert lens.predict(jpeg()) == exported[1].predict(jpeg())


def test_a_file_that_does_not_state_the_sizes_of_its_maps(
    exported: tuple[Service, Lens], tmp_path: Path
) -> None:
    """Files of earlier versions do not; a pass tells them."""
    proto = onnx.load(exported[1].model.path)
    facts = {entry.key: entry.value for entry in proto.metadata_props if entry.key != "sge.sha256"}
    blocks = [block | {"cells": None} for block in json.loads(facts["sge.blocks"])]
    onnx.helper.set_model_props(proto, facts | {"sge.blocks": json.dumps(blocks)})
    onnx.save(proto, tmp_path / "small.onnx")
    slot = Slot("small", str(tmp_path / "small.onnx"), is_default=False)
    slot.load("cpu", "auto")
    assert Lens(load_model(tmp_path / "small.onnx")).stated_blocks is None
    assert slot.blocks == exported[1].stated_blocks
