"""Models that name no classes behind the service: a network without labels, and a detector through an adapter."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import torch
from PIL import Image

import app.slots
from sge.analysis import ATLAS_MEDIA_TYPE, unpack_atlases
from sge.images import Preprocess
from sge.lens.adapters import Output
from sge.models import Model
from tests.app.asking import check_problem
from tests.app.conftest import API, Service, running
from tests.conftest import fill
from tests.lens.networks import Plain

SMALL = Preprocess(resize=64, size=64)


def one_box(_output: object, shape: tuple[int, ...]) -> Output:
    """The middle of every image as an object of class 1."""
    height, width = shape[2:]
    box = torch.tensor([[width / 4, height / 4, 3 * width / 4, 3 * height / 4, 0.875, 1]])
    return Output(boxes=[box] * shape[0])


MODELS = {
    "bare": lambda: Model("bare", fill(Plain()), preprocess=SMALL),
    "detector": lambda: Model(
        "detector", fill(Plain()), labels=["cat", "dog"], preprocess=SMALL, adapter=one_box
    ),
}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app.slots, "load_model", lambda source: MODELS[source]())
        with running(models=list(MODELS)) as started:
            yield started


@pytest.fixture(scope="module")
def photo() -> bytes:
    buffer = io.BytesIO()
    Image.effect_mandelbrot((80, 60), (-2, -1.5, 1, 1.5), 50).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def ask(service: Service, route: str, photo: bytes, **query: object):
    return service.client.post(
        f"{API}/{route}", params=query, content=photo, headers={"Content-Type": "image/png"}
    )


@pytest.mark.parametrize("model", MODELS)
def test_effects_of_a_class_are_refused_in_words(service: Service, photo: bytes, model: str) -> None:
    refused = ask(service, "attribute", photo, model=model)
    if model == "detector":
        check_problem(refused, 422)
    answer = ask(service, "predict", photo, model=model)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()) == (model == "detector")


@pytest.mark.parametrize("model", MODELS)
def test_the_requests_of_the_page_are_answered(service: Service, photo: bytes, model: str) -> None:
    query = {"model": model, "format": "atlas", "blocks": "default", "rest": "true", "preview": 64}
    answer = ask(service, "analyze", photo, **query, target="predicted", method="gradient")
    assert answer.headers["content-type"] == ATLAS_MEDIA_TYPE, answer.text
    record = unpack_atlases(answer.content)
    assert record["predictions"] == []
    assert "attribution" not in record
    sample = service.client.get("/samples/shepherd/analysis", params={"model": model})
    assert sample.json()["predictions"] == []
    listed = service.client.get(f"{API}/models/{model}").json()
    assert (listed["ready"], listed["error"]) == (True, None)
    assert listed["labels"] == (None if model == "bare" else ["cat", "dog"])


def test_boxes_are_in_pixels_of_the_upload_and_drawn(service: Service, photo: bytes) -> None:
    (box,) = ask(service, "analyze", photo, model="detector").json()["boxes"]
    assert (box["label"], box["index"], box["score"]) == ("dog", 1, 0.875)
    assert [box[side] for side in ("x", "y", "width", "height")] == pytest.approx([20, 15, 40, 30], abs=1.5)
    (found,) = ask(service, "predict", photo, model="detector").json()
    assert found == pytest.approx(box)
    drawn = [
        ask(service, "overlay", photo, model="detector", block="first", boxes=boxes).content
        for boxes in ("true", "false")
    ]
    assert drawn[0] != drawn[1]
    assert (
        b"<title>dog \xe2\x80\x94" in ask(service, "analyze", photo, model="detector", format="html").content
    )
    assert ask(service, "analyze", photo, model="bare").json()["boxes"] == []
