"""A service of an exported file without logits, such as a YOLO's: its maps are there, and nothing is said of classes."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest

import sge
from sge.models import export_onnx
from tests.app.asking import check_problem, jpeg, post
from tests.app.conftest import API, Service, running
from tests.lens.backends.test_results import Maps
from tests.models.exported import network

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, sge.Lens]]:
    path = tmp_path_factory.mktemp("exported") / "maps.onnx"
    export_onnx(sge.Model("maps", network(Maps)), path)
    with running(models=[str(path)], backend="auto") as started:
        yield started, sge.Lens(sge.load_model(str(path)))


def test_maps_are_answered(exported: tuple[Service, sge.Lens]) -> None:
    service, lens = exported
    expected = lens.analyze(jpeg())
    found = post(service.client, "analyze", jpeg()).json()
    assert found["predictions"] == []
    assert set(found["masks"]) == set(expected.masks)
    assert post(service.client, "predict", jpeg()).json() == []
    assert [block["name"] for block in service.client.get(f"{API}/models/maps").json()["blocks"]] == list(
        expected.masks
    )
    shown = post(service.client, "masks", jpeg(), format="npz", blocks="first")
    with np.load(BytesIO(shown.content)) as arrays:
        (name,) = [name for name in arrays.files if "first" in name]
        np.testing.assert_allclose(arrays[name], expected.masks["first"], atol=1e-3)


def test_effects_are_refused(exported: tuple[Service, sge.Lens]) -> None:
    problem = check_problem(post(exported[0].client, "ablate", jpeg(), groups="first:0"), 422)
    assert "logits" in problem["detail"] or "classes" in problem["detail"]
