"""The shipped part finders: their figures are the measured ones, and they find nothing in a random network."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace

import pytest
import timm
import torch

import sge
from scripts.render_tables import read_figures, row
from sge.cli.labelled_files import LabelledFiles
from sge.lens.detector_fitting import exhaustive, find_everything
from sge.lens.part_fitting import Example, analyze_examples
from sge.models.names import ORIGINAL_MODEL, TUNED_MODEL
from sge.parts import evaluate_faces, read_faces
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
    stated = {(one["part"], one["images"]): one for one in model.finder.measured if "by" not in one}
    assert len(rows) == len(stated) == 4
    for found in rows:
        card = stated[found.part, found.images]
        assert (found.shown, found.absent) == (card["shown"], card["absent"])
        # The tolerance is two images, because another processor may round a peak differently.
        assert abs(found.auc - card["auc"]) < 0.01
        for within in WITHIN:
            assert (
                abs(found.hits[str(within)].value - card["hits"][str(within)]["value"]) <= 2.01 / found.shown
            )


def test_the_baseline_has_detectors_of_both_kinds():
    finder = sge.load_model(ORIGINAL_MODEL).finder
    assert set(finder.detectors) == {"mix", "groups"}
    for by, detector in finder.detectors.items():
        assert detector.parts == ("nose", "eye")
        assert set(detector.pairs) == {"nose-eye", "eye-nose", "eye-eye"}
        assert (detector.source == "groups") == (by == "groups")
        # Both eyes lie above the nose, and side by side.
        assert detector.pairs["nose-eye"].mean[1] < -1
        assert detector.pairs["eye-eye"].mean[0] > 1
    assert "people" in finder.nothing_found


@pytest.mark.slow
def test_the_stated_figures_of_detectors_are_the_measured_ones(shared):
    """Measures a part of the images that were held back: birds, and those without a face."""
    images = [
        image for name in ("faces", "no_face") for image in read_faces(ROOT / "labels" / f"{name}.json")
    ]
    kept = [
        one
        for one in images
        if one.held and (one.is_without or (one.main and one.main.measured_as == "birds"))
    ]
    model = sge.load_model(ORIGINAL_MODEL)
    model.finder = exhaustive(model.finder, "mix")
    lens = sge.Lens(model, "cpu", frozen=True)
    with closing(LabelledFiles(shared / "data")) as files:
        found = [find_everything(lens, image, files.open(image), "mix") for image in kept]
    record = evaluate_faces(found, 0.2, 0.5)
    tables = read_figures(ORIGINAL_MODEL)
    stated = row(tables["faces_hits"], "mix_eye_birds")
    (birds,) = [one for one in record["hits"] if one["kind"] == "birds"]
    assert birds["images"] == stated["images"]
    assert birds["any_0.1"]["value"] == pytest.approx(stated["any_0.1"]["value"], abs=1.01 / birds["images"])
    for one in record["false_alarms"]:
        alarms = row(tables["faces_alarms"], f"mix_{one['part']}")
        assert one["images"] == alarms["images"]
        # The tolerance is one image, because another processor may round a confidence differently.
        assert abs(one["shown"]["of"] - alarms["shown_images"]) <= 1
