"""The shipped part finders: their figures are the measured ones, and they find nothing in a random network."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import timm
import torch

import sge
from sge.lens.part_fitting import Example, analyze_examples
from sge.models.names import ORIGINAL_MODEL, TUNED_MODEL
from sge.parts.evaluate import WITHIN, evaluate_parts
from sge.parts.labels import read_labels, without_parts
from tests.conftest import ROOT

SAMPLES = [sample["file"] for sample in json.loads((ROOT / "static/samples/samples.json").read_text("utf-8"))]
MODELS = [ORIGINAL_MODEL, TUNED_MODEL]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_random_weights_yield_no_part(seed: int) -> None:
    known = sge.load_model(MODELS[0])
    torch.manual_seed(seed)
    untrained = sge.insert_sge(timm.create_model("tf_efficientnet_lite0").eval()).eval()
    lens = sge.Lens(replace(known, network=untrained), "cpu")
    for name in SAMPLES:
        analysis = lens.analyze(ROOT / "static" / "samples" / name)
        assert set(analysis.part_maps) == {"nose", "eye"}
        assert analysis.parts == []


@pytest.mark.slow
def test_the_shepherd_has_a_nose_between_and_below_two_eyes() -> None:
    for name in MODELS:
        analysis = sge.Lens(sge.load_model(name), "cpu").analyze(ROOT / "static" / "samples" / "shepherd.jpg")
        parts = {part.name: part for part in analysis.parts}
        assert sorted(parts) == ["left_eye", "nose", "right_eye"]
        assert parts["left_eye"].x < parts["nose"].x < parts["right_eye"].x
        assert parts["nose"].y > max(parts["left_eye"].y, parts["right_eye"].y)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_stated_figures_are_the_measured_ones(shared, name) -> None:
    """Repeats the whole cross-validation."""
    labelled = read_labels(shared / "data" / "parts_dev.json")
    labelled += [without_parts(path) for path in sorted((shared / "data" / "no_face").iterdir())]
    model = sge.load_model(name)
    examples = [Example.from_label(image) for image in labelled]
    maps = analyze_examples(sge.Lens(replace(model, finder=None), "cpu"), examples)
    rows = evaluate_parts(maps, [image.unsure for image in labelled])
    stated = {(row["part"], row["images"]): row for row in model.finder.measured if "by" not in row}
    assert len(rows) == len(stated) == 4
    for row in rows:
        card = stated[row.part, row.images]
        assert (row.shown, row.absent) == (card["shown"], card["absent"])
        # The tolerance is two images, because another processor may round a peak differently.
        assert abs(row.auc - card["auc"]) < 0.01
        for within in WITHIN:
            assert abs(row.hits[str(within)].value - card["hits"][str(within)]["value"]) <= 2.01 / row.shown
