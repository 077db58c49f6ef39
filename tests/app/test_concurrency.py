"""Requests at the same time: each answer is the one that the request would get alone; errors stay with their image."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
import torch

import app.slots
from app.slots import Slot
from sge import Model
from sge.errors import ChoiceError
from sge.images.framing import Frame
from tests.app.asking import Asking, check_problem, jpeg, post
from tests.app.conftest import API, WAIT_S, Gate, Service, running, until

Hold = Callable[[Service], AbstractContextManager[Gate]]
SMALL = "sge_resnet18_dogs"
MODELS = [SMALL, "sge_efficientnet_lite0"]
SIZES = [(64, 64), (128, 64), (64, 128)]


@pytest.fixture(scope="module")
def both() -> Iterator[Service]:
    with running(models=MODELS, threads=1) as started:
        yield started


def requests_at_once(count: int, seed: int) -> list[tuple[str, bytes, dict[str, object]]]:
    """Requests of mixed routes, models, framings and image shapes; several share a shape, so that they are batched."""
    draw = random.Random(seed)
    asked = []
    for number in range(count):
        model = draw.choice([SMALL, SMALL, SMALL, MODELS[1]])
        block = "layer3.1" if model == SMALL else "blocks.6.0"
        query: dict[str, dict[str, object]] = {
            "predict": {"top_k": draw.randint(1, 9)},
            "analyze": {"top_k": draw.randint(1, 9)},
            "masks": {"blocks": block, "signal": draw.choice(["mask", "similarity"])},
            "overlay": {"block": block, "group": draw.randint(0, 20)},
            "ablate": {
                "groups": f"{block}:{draw.randint(0, 9)}",
                "mode": "zero",
                "controls": draw.randint(0, 2),
            },
            "attribute": {"blocks": block, "method": "gradient"},
            "steps": {"block": block, "group": draw.randint(0, 9)},
            "image": {"max_side": draw.randint(9, 99)},
        }
        route = draw.choice([*query, "predict", "analyze", "masks"])
        common: dict[str, object] = {"model": model, "framing": draw.choice(["whole", "whole", "center"])}
        asked.append(
            (route, jpeg(number, draw.choice(SIZES)), query[route] | (common if route != "image" else {}))
        )
    return asked


def check_same(answer: Any, alone: Any, path: str = "") -> None:
    """Compares JSON: numbers within what a batch's other order of summation changes, all else exactly."""
    if isinstance(alone, dict):
        assert answer.keys() == alone.keys(), path
        for key in alone:
            if key != "png":
                check_same(answer[key], alone[key], f"{path}.{key}")
    elif isinstance(alone, list):
        assert len(answer) == len(alone), path
        for number, pair in enumerate(zip(answer, alone, strict=True)):
            check_same(*pair, f"{path}[{number}]")
    elif isinstance(alone, float):
        assert answer == pytest.approx(alone, abs=2e-4, rel=2e-3), path
    else:
        assert answer == alone, path


def test_mixed_requests_at_once_get_the_answers_that_they_get_alone(both: Service) -> None:
    asked = requests_at_once(16, 0)
    with Asking(both.client) as asking:
        together = [asking.post(route, data, **query) for route, data, query in asked]
        answers = [future.result() for future in together]
    for (route, data, query), answer in zip(asked, answers, strict=True):
        alone = post(both.client, route, data, **query)
        assert answer.status_code == alone.status_code == 200, (route, query, answer.text[:200])
        assert answer.headers["content-type"] == alone.headers["content-type"]
        if answer.headers["content-type"] == "application/json":
            check_same(answer.json(), alone.json(), route)
        elif route == "image":
            assert answer.content == alone.content
    assert both.engine.depth == 0


@pytest.mark.parametrize("bad", [{2}, {0, 3}])
def test_an_image_that_fails_in_a_batch_fails_alone(
    both: Service, hold: Hold, monkeypatch: pytest.MonkeyPatch, bad: set[int]
) -> None:
    """The other images of its batch get their answers."""
    images = [jpeg(seed, (64, 64)) for seed in range(4)]
    alone = [post(both.client, "predict", data).json() for data in images]
    lens = both.engine.slots[SMALL].require_lens()
    real, sizes = lens.predict_frames, []

    def fail(frames: Sequence[Frame], top_k: int = 5) -> Any:
        sizes.append(len(frames))
        if any(frame.image.name in {f"{number}.jpg" for number in bad} for frame in frames):
            raise ChoiceError("The network's output is not finite for this image. Use float32.")
        return real(frames, top_k)

    monkeypatch.setattr(lens, "predict_frames", fail)
    with hold(both) as gate, Asking(both.client) as asking:
        first = asking.post("predict", jpeg(9))
        assert gate.entered.wait(WAIT_S)
        route = f"{API}/predict"
        asked = [
            asking.pool.submit(both.client.post, route, files={"image": (f"{number}.jpg", data)})
            for number, data in enumerate(images)
        ]
        until(lambda: both.engine.waiting >= len(images))
        gate.open.set()
        answers = [future.result() for future in asked]
        assert first.result().status_code == 200
    assert sizes == [1, 4, 1, 1, 1, 1]
    for number, answer in enumerate(answers):
        if number in bad:
            assert "not finite" in check_problem(answer, 422)["detail"]
        else:
            check_same(answer.json(), alone[number])
    assert both.engine.depth == 0


@pytest.fixture(scope="module")
def plain(both: Service) -> Model:
    return both.engine.slots[SMALL].require_lens().model


HOSTILE: dict[str, dict[str, Any]] = {
    "no block to open with": {"opens_with": {"x": 1}},
    "a number in place of a group to open with": {"opens_with": 7},
    "not finite": {"accuracy": [{"set": "a", "top1": float("nan")}]},
    "infinite": {"made_from": {"lr": float("inf")}},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_model_that_no_answer_can_describe_is_listed_as_unusable(
    plain: Model, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(
        app.slots,
        "load_model",
        lambda _source: dataclasses.replace(plain, card=dataclasses.replace(plain.card, **HOSTILE[name])),
    )
    slot = Slot("mine", "mine.safetensors")
    slot.load("cpu", "float32")
    assert (slot.ready, slot.blocks, slot.groups) == (False, [], {})
    assert slot.error
    assert slot.error.endswith(".")


def test_an_unusable_model_is_listed_and_the_others_answer(
    both: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = Slot("mine", "mine.safetensors", error="mine.safetensors is damaged. Import it again.")
    monkeypatch.setitem(both.engine.slots, "mine", slot)
    listed = {model["name"]: model for model in both.client.get(f"{API}/models").json()}
    assert (listed["mine"]["ready"], listed["mine"]["error"]) == (False, slot.error)
    assert listed["mine"]["card"] is None
    assert listed[SMALL]["ready"]
    assert both.client.get(f"{API}/models/mine").json()["error"] == slot.error
    assert slot.error in check_problem(post(both.client, "predict", jpeg(), model="mine"), 503)["detail"]
    assert post(both.client, "predict", jpeg()).status_code == 200


@pytest.mark.parametrize("route", ["predict", "analyze", "masks", "ablate"])
def test_what_is_not_finite_is_a_sentence_and_never_in_json(
    both: Service, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    lens = both.engine.slots[SMALL].require_lens()
    weight = lens.network.fc.weight  # which is not folded
    before = weight.detach().clone()
    with torch.no_grad():
        weight.fill_(float("nan"))
    try:
        query = {"groups": "layer3.1:0", "controls": 0} if route == "ablate" else {}
        answer = post(both.client, route, jpeg(), **query)
    finally:
        with torch.no_grad():
            weight.copy_(before)
    assert answer.status_code == 422, answer.text[:300]
    assert "not finite" in check_problem(answer, 422)["detail"]


def test_a_list_of_predictions_that_is_not_finite_is_no_json(
    both: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the lens returns."""
    lens = both.engine.slots[SMALL].require_lens()
    real = lens.predict_frames

    def broken(frames: Sequence[Frame], top_k: int = 5) -> Any:
        return [
            [dataclasses.replace(prediction, score=float("nan")) for prediction in predictions]
            for predictions in real(frames, top_k)
        ]

    monkeypatch.setattr(lens, "predict_frames", broken)
    answer = post(both.client, "predict", jpeg())
    assert "not finite" in check_problem(answer, 422)["detail"]
    json.loads(answer.content, parse_constant=lambda text: pytest.fail(text))


def test_maps_of_png_are_close_too(both: Service) -> None:
    """``check_same`` leaves out the atlases: their exact arrays are compared here, alone and in a batch."""
    images = [jpeg(seed, (64, 64)) for seed in range(4)]
    query: dict[str, object] = {"format": "safetensors", "blocks": "layer3.1"}
    with Asking(both.client) as asking:
        together = [future.result() for future in [asking.post("masks", data, **query) for data in images]]
    for data, answer in zip(images, together, strict=True):
        alone = post(both.client, "masks", data, **query)
        one, other = (_arrays(each.content) for each in (answer, alone))
        assert np.abs(one - other).max() < 1e-4


def _arrays(content: bytes) -> Any:
    from safetensors.numpy import load

    return load(content)["layer3.1"]
