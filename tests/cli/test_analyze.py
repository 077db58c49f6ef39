"""``sge analyze`` and ``sge predict`` on shipped photos with the shipped weights."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

import sge
from sge.models import DEFAULT_MODEL, PETS_MODEL, Card, NoneFits
from tests.conftest import ROOT
from tests.lens.test_lens import model

SAMPLES = ROOT / "static" / "samples"


@pytest.fixture
def photos(tmp_path):
    """Two good photos, one that is cut off, one that is no photo."""
    folder = tmp_path / "photos"
    (folder / "cats").mkdir(parents=True)
    shutil.copy(SAMPLES / "shepherd.jpg", folder / "dog.jpg")
    shutil.copy(SAMPLES / "chelsea.jpg", folder / "cats" / "dog.jpg")
    (folder / "cut.jpg").write_bytes((SAMPLES / "panda.jpg").read_bytes()[:4000])
    (folder / "text.png").write_text("no image")
    return folder


@pytest.mark.slow
def test_bad_files_are_listed_and_the_rest_is_done(sge_command, photos, tmp_path):
    result = sge_command("analyze", photos, "-o", tmp_path / "out", "--json")
    assert result.exit_code == 1
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert {line["predictions"][0]["label"] for line in lines} == {"German shepherd", "Egyptian cat"}
    assert "2 done, 2 failed" in result.stderr
    assert "cut.jpg" in result.stderr
    assert "text.png" in result.stderr
    assert sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.*")) == [
        "cats/dog.json",
        "dog.json",
    ]


@pytest.mark.slow
def test_the_network_that_was_trained_here(sge_command, tmp_path):
    photo = SAMPLES / "shepherd.jpg"
    result = sge_command("analyze", photo, "-o", tmp_path, "--model", "sge_resnet18_pets", "--format", "npz")
    assert result.exit_code == 0, result.stderr
    analysis = sge.Analysis.open(tmp_path / "shepherd.npz", image=photo)
    assert analysis.signal == "mask"
    assert {len(masks) for masks in analysis.masks.values()} == {64}
    predicted = sge_command("predict", photo, "--model", "sge_resnet18_pets", "--json")
    assert json.loads(predicted.stdout)["predictions"][0]["label"] == analysis.predictions[0].label


@pytest.mark.slow
def test_a_choice_of_a_model_without_a_finder_is_said_once(sge_command, tmp_path):
    photos = [SAMPLES / "shepherd.jpg", SAMPLES / "chelsea.jpg"]
    result = sge_command(
        "analyze", *photos, "-o", tmp_path / "out", "--model", PETS_MODEL, "--parts-by", "groups"
    )
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count("has no part finder, so that parts_by=groups has no effect") == 1
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.slow
def test_parts_are_read_from_groups_alone_where_that_is_wanted(sge_command, tmp_path):
    lens, photo = sge.Lens(sge.load_model(DEFAULT_MODEL)), SAMPLES / "shepherd.jpg"
    for by, source in (("mix", "groups and channels"), ("groups", "groups")):
        result = sge_command("analyze", photo, "-o", tmp_path / by, "--parts-by", by)
        assert result.exit_code == 0, result.stderr
        found = sge.Analysis.open(tmp_path / by / "shepherd.json")
        expected = lens.analyze(photo, wanted=sge.Wanted(parts_by=by))
        assert found.part_maps["nose"].source == expected.part_maps["nose"].source == source
        assert [part.name for part in found.parts] == [part.name for part in expected.parts]
        assert [part.score for part in found.parts] == pytest.approx(
            [part.score for part in expected.parts], abs=1e-3
        )
    assert sge_command("analyze", photo, "-o", tmp_path / "best", "--parts-by", "best").exit_code == 2


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["json", "npz", "safetensors"])
def test_records_open_again(sge_command, tmp_path, ending):
    result = sge_command("analyze", SAMPLES / "shepherd.jpg", "-o", tmp_path, "--format", ending)
    assert result.exit_code == 0, result.stderr
    analysis = sge.Analysis.open(tmp_path / f"shepherd.{ending}", image=SAMPLES / "shepherd.jpg")
    assert analysis.predictions[0].label == "German shepherd"
    assert analysis.overlay(analysis.default_block, 3).size == (584, 584)


@pytest.mark.slow
def test_a_record_never_replaces_an_image(sge_command, tmp_path):
    from PIL import Image

    image = tmp_path / "dog.png"
    Image.open(SAMPLES / "shepherd.jpg").save(image)
    before = image.read_bytes()
    assert sge_command("analyze", tmp_path, "-o", tmp_path, "--format", "png").exit_code == 0
    assert image.read_bytes() == before
    assert (tmp_path / "dog-2.png").exists()


@pytest.mark.slow
def test_two_images_of_one_name_give_two_records(sge_command, photos, tmp_path):
    arguments = (photos / "dog.jpg", photos / "cats" / "dog.jpg")
    assert sge_command("analyze", *arguments, "-o", tmp_path / "out").exit_code == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["dog-2.json", "dog.json"]


def test_predict_prints_classes(sge_command):
    result = sge_command("predict", SAMPLES / "shepherd.jpg", "--top-k", 2)
    assert result.exit_code == 0
    assert "German shepherd" in result.stdout
    assert len(result.stdout.splitlines()) == 3


def test_predict_finds_no_parts_and_reads_no_maps(sge_command, monkeypatch):
    monkeypatch.setattr(sge.Lens, "analyze_frames", lambda *_: pytest.fail("maps were captured"))
    assert sge_command("predict", SAMPLES / "shepherd.jpg").exit_code == 0


def test_predict_for_machines(sge_command):
    result = sge_command("predict", SAMPLES / "shepherd.jpg", "--json", "--framing", "center")
    record = json.loads(result.stdout)
    assert record["predictions"][0]["index"] == 235
    assert len(record["predictions"]) == 5
    assert record["fit"] is None  # the default model has no threshold
    best = record["predictions"][0]
    assert best["raw_score"] == best["score"]  # the center crop has no temperature
    whole = json.loads(sge_command("predict", SAMPLES / "shepherd.jpg", "--json").stdout)["predictions"][0]
    assert whole["raw_score"] < whole["score"]


@pytest.mark.parametrize(("threshold", "fits"), [(-1e9, True), (1e9, False)])
def test_an_image_that_no_class_fits_is_said_so(sge_command, monkeypatch, tmp_path, threshold, fits):
    card = Card(
        "Small", "Knows seven.", none_fits=NoneFits("energy", {"whole": threshold}, "None of seven fits.")
    )
    small = replace(model(), card=card)
    monkeypatch.setattr("sge.cli.analyze.loaded_model", lambda _: small)
    photo = SAMPLES / "shepherd.jpg"
    people = sge_command("predict", photo, "--top-k", 2).stdout.splitlines()
    assert (people[1] == "  None of seven fits.") != fits
    assert len(people) == (3 if fits else 4)
    machines = [
        json.loads(sge_command(*command, "--json").stdout)["fit"]
        for command in (("predict", photo), ("analyze", photo, "-o", tmp_path))
    ]
    assert machines[0] == machines[1]
    assert (machines[0]["fits"], machines[0]["threshold"]) == (fits, threshold)
    line = sge_command("analyze", photo, "-o", tmp_path).stdout.rstrip("\n")
    assert line.endswith("\tNone of seven fits.") != fits
    assert json.loads((tmp_path / "shepherd.json").read_text("utf-8"))["fit"] == machines[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ("analyze",),
        ("analyze", "x.jpg"),
        ("predict", "x.jpg", "--framing", "sideways"),
        ("predict", "x.jpg", "--top-k", "0"),
        ("nonsense",),
    ],
)
def test_usage_errors_exit_2(sge_command, arguments):
    assert sge_command(*arguments).exit_code == 2


@pytest.mark.slow
def test_many_images_give_as_many_records(sge_command, shared, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    images = sorted((shared / "data" / "imagenet_val_dogs").rglob("*.JPEG"))[:40]
    for path in images:
        (folder / path.name).symlink_to(path)
    assert sge_command("analyze", folder, "-o", tmp_path / "out").exit_code == 0
    assert len(list((tmp_path / "out").glob("*.json"))) == len(images)
