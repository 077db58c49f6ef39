"""Parts of ``POST /analyze`` by detectors: those of the library, with truthful costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

import app.slots
from sge import Lens
from sge.lens import Wanted
from sge.nn import sge_blocks
from sge.parts import Finder
from tests.app.asking import jpeg, post
from tests.app.conftest import Service, running
from tests.app.test_analyze_api import unpacked
from tests.parts.made_detectors import made_detector

SIZES = (96, 160)


@pytest.fixture(scope="module")
def lens(_no_settings_from_outside: None) -> Iterator[Lens]:
    """Of the shipped network, with made-up detectors for the time of this module."""
    model = app.slots.load_model("sge_efficientnet_lite0")
    kept = model.finder
    groups = {name: block.groups for name, block in list(sge_blocks(model.network).items())[-3:]}
    detectors = {
        "mix": replace(made_detector(True, groups, {"blocks.5.1": 1152}, SIZES), shown=0.05),
        "groups": replace(made_detector(False, groups, {}, SIZES, seed=1), shown=0.05),
    }
    model.finder = Finder(kept.readouts, model.permutations, detectors=detectors)
    try:
        yield Lens(model, frozen=True)
    finally:
        model.finder = kept


@pytest.fixture(scope="module")
def service(lens: Lens) -> Iterator[Service]:
    with running() as started:
        yield started


def parts_of(record: dict[str, Any]) -> list[tuple[object, ...]]:
    return [
        (part["name"], part["face"], part["sure"], *(round(part[key], 2) for key in ("x", "y", "score")))
        for part in record["parts"]
    ]


@pytest.mark.parametrize("by", ["mix", "groups"])
def test_parts_are_those_of_the_library(service: Service, lens: Lens, by: str) -> None:
    image = jpeg(3, (160, 120))
    record = post(service.client, "analyze", image, parts_by=by, blocks="default").json()
    expected = lens.analyze(image, wanted=Wanted((), parts_by=by))
    assert expected.parts
    assert parts_of(record) == parts_of({"parts": [vars(part) for part in expected.parts]})
    source = "groups" if by == "groups" else "groups and channels"
    assert {one["source"] for one in record["part_maps"].values()} == {source}
    assert record["model"]["part_finders"] == ["mix", "groups"]


def test_the_rest_and_effects_have_the_same_parts(service: Service) -> None:
    image = jpeg(3, (160, 120))
    plain = post(service.client, "analyze", image, format="atlas", blocks="default")
    for query in ({"rest": "true"}, {"target": "predicted"}):
        answer = post(service.client, "analyze", image, format="atlas", blocks="default", **query)
        assert unpacked(answer)["parts"] == unpacked(plain)["parts"]


def test_mix_is_what_is_read_without_a_choice(service: Service) -> None:
    image = jpeg(3, (160, 120))
    one, other = (
        post(service.client, "analyze", image, blocks="default", **q).json()
        for q in ({}, {"parts_by": "mix"})
    )
    assert one["parts"] == other["parts"]


def test_an_unknown_choice_is_refused(service: Service) -> None:
    answer = post(service.client, "analyze", jpeg(3, (160, 120)), parts_by="best")
    assert answer.status_code == 422
    assert "parts_by" in answer.text


def test_models_say_which_finders_they_have(service: Service) -> None:
    (model,) = service.client.get("/api/v1/models").json()
    assert model["part_finders"] == ["mix", "groups"]


def test_the_passes_at_further_sizes_are_expected_and_learned(service: Service, lens: Lens) -> None:
    """An analysis is admitted as so many passes, and what it takes is learned for that many."""
    asked: list[float] = []
    learned: list[tuple[str, float]] = []
    costs, admissions = service.engine.costs, service.engine.admissions
    learn, admit = costs.learn, admissions.admit

    def note(task: str, seconds: float, size: float = 1.0, *more: Any) -> None:
        learned.append((task, size))
        learn(task, seconds, size, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "learn", note)
        patch.setattr(admissions, "admit", lambda wanted: asked.append(wanted.rows) or admit(wanted))
        for framing in ("whole", "center"):
            post(service.client, "analyze", jpeg(3, (160, 120)), framing=framing, blocks="default")
        post(service.client, "predict", jpeg(3, (160, 120)))
    passes = [lens.passes(framing) for framing in ("whole", "center")]
    assert passes[0] == pytest.approx(1 + (96**2 + 160**2) / 320**2)
    assert asked == [*passes, 1]
    assert [size for task, size in learned if task == "model analyze"] == passes
