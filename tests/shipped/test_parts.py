"""The shipped finders: their figures come out of their files again; a network that knows nothing finds nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import timm
import torch

import sge
from sge.lens.part_fitting import Example, analyze_examples
from sge.parts.evaluate import WITHIN, evaluate_parts
from sge.parts.labels import read_labels, without_parts
from tests.conftest import ROOT

SAMPLES = [one["file"] for one in json.loads((ROOT / "static/samples/samples.json").read_text("utf-8"))]
MODELS = ["sge_efficientnet_lite0", "sge_efficientnet_lite0_tuned"]


@pytest.mark.parametrize("seed", [0, 1])
def test_random_weights_yield_no_part(seed: int) -> None:
    known = sge.load_model(MODELS[0])
    torch.manual_seed(seed)
    ignorant = sge.insert_sge(timm.create_model("tf_efficientnet_lite0").eval()).eval()
    lens = sge.Lens(replace(known, network=ignorant), "cpu")
    for name in SAMPLES:
        seen = lens.analyze(ROOT / "static" / "samples" / name)
        assert set(seen.part_maps) == {"nose", "eye"}
        assert seen.parts == []


def test_the_shepherd_has_a_nose_between_and_below_two_eyes() -> None:
    for name in MODELS:
        seen = sge.Lens(sge.load_model(name), "cpu").analyze(ROOT / "static" / "samples" / "shepherd.jpg")
        places = {part.name: part for part in seen.parts}
        assert sorted(places) == ["left_eye", "nose", "right_eye"]
        assert places["left_eye"].x < places["nose"].x < places["right_eye"].x
        assert places["nose"].y > max(places["left_eye"].y, places["right_eye"].y)


@pytest.mark.slow
def test_the_stated_figures_are_the_measured_ones(shared) -> None:
    """The whole cross-validation again, of the model that opens."""
    labelled = read_labels(shared / "data" / "parts_dev.json")
    labelled += [without_parts(path) for path in sorted((shared / "data" / "no_face").iterdir())]
    model = sge.load_model(MODELS[0])
    examples = [Example.from_label(image) for image in labelled]
    maps = analyze_examples(sge.Lens(replace(model, finder=None), "cpu"), examples)
    rows = evaluate_parts(maps, [one.unsure for one in labelled])
    stated = {(one["part"], one["images"]): one for one in model.finder.measured}
    assert len(rows) == len(stated) == 4
    for row in rows:
        card = stated[row.part, row.images]
        assert (row.shown, row.absent) == (card["shown"], card["absent"])
        # Two images either way: another processor may round a peak to the other side.
        assert abs(row.auc - card["auc"]) < 0.01
        for within in WITHIN:
            assert abs(row.hits[str(within)].value - card["hits"][str(within)]["value"]) <= 2.01 / row.shown
