"""Files of labelled faces: damaged ones, those of the repository, and how far their placements agree."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from scripts.measure import label_agreement
from sge.errors import FinderError
from sge.parts.labelled_faces import FacesImage, for_fitting, read_faces, refuse_held
from tests.conftest import ROOT

FILES = ("faces.json", "main_dogs.json", "no_face.json")


def one(**face):
    return json.dumps({"images": [{"file": "a.png", "faces": [face]}]})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"images": 3}',
        '{"images": [{"file": "a.png"}]}',
        '{"images": [{"file": "", "faces": []}]}',
        '{"images": [{"file": "a.png", "faces": [], "held": 1}]}',
        '{"images": [{"file": "a.png", "faces": [], "unlabelled": "no"}]}',
        one(nose=[1]),
        one(nose=[1, float("nan")], size=3),
        one(nose=[1, True], size=3),
        one(nose="ab", size=3),
        one(nose=[10**400, 2], size=3),
        one(nose=[1, 2], size=10**400),
        one(nose=[1, 2], size=0),
        one(nose=[1, 2]),
        one(nose=[1, 2], size=3, unsure="yes"),
    ],
)
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(FinderError, match="is not a file of labelled faces"):
        read_faces(tmp_path / "a.json")


def test_no_file(tmp_path):
    with pytest.raises(FinderError, match="cannot be read"):
        read_faces(tmp_path / "a.json")


def test_what_is_read(tmp_path):
    (tmp_path / "a.json").write_text(one(nose=[1, 2], left_eye=[4, 6], right_eye=None, kind="cat"))
    (image,) = read_faces(tmp_path / "a.json")
    (face,) = image.faces
    assert (face.size, face.measured_as, face.unsure, image.held, image.unlabelled) == (
        5,
        "animals",
        False,
        False,
        False,
    )
    assert face.of("nose") == [(1, 2)]
    assert face.of("eye") == [(4, 6)]
    assert image.main is face


def test_held_images_are_refused():
    images = [FacesImage("a.png"), FacesImage("b.png", held=True)]
    assert for_fitting(images) == images[:1]
    refuse_held(images[:1])
    with pytest.raises(FinderError, match=r"1 images are held back .* b\.png first"):
        refuse_held(images)


@pytest.mark.parametrize("name", FILES)
def test_a_third_is_held_by_the_hash_of_the_name(name):
    images = read_faces(ROOT / "labels" / name)
    assert len({image.file for image in images}) == len(images)
    for image in images:
        member = image.file.split("/", 1)[1]
        assert image.held == (int(hashlib.sha256(member.encode()).hexdigest(), 16) % 3 == 0)


@pytest.mark.parametrize("name", FILES)
def test_points_lie_in_their_images_and_left_is_left(name):
    for entry in json.loads((ROOT / "labels" / name).read_text("utf-8"))["images"]:
        for face in entry["faces"]:
            points = [face[key] for key in ("nose", "left_eye", "right_eye", "beak") if face.get(key)]
            assert points
            for x, y in points:
                assert 0 <= x <= entry["width"]
                assert 0 <= y <= entry["height"]
            if face["left_eye"] and face["right_eye"]:
                assert face["left_eye"][0] <= face["right_eye"][0] + 1


def test_points_are_the_means_of_the_placements_where_no_third_look_decided():
    record = json.loads((ROOT / "labels" / "placements.json").read_text("utf-8"))
    placements = {image["file"]: image for image in record["images"]}
    compared = 0
    for entry in json.loads((ROOT / "labels" / "faces.json").read_text("utf-8"))["images"]:
        given = placements[entry["file"]]
        width, height = given["width"], given["height"]
        both = [label_agreement.placed(given[key], record["columns"], width, height) for key in ("a", "b")]
        pairs = label_agreement.matched(*both)
        for face in entry["faces"]:
            points = {key: face[key] for key in label_agreement.NAMES if face.get(key)}
            if face.get("third"):
                continue
            means = [
                {key: np.mean([a.points[key], b.points[key]], 0) * min(width, height) for key in a.points}
                for a, b in pairs
                if a.points.keys() == b.points.keys() >= points.keys()
            ]
            assert any(all(np.hypot(*(mean[key] - points[key])) < 0.15 for key in points) for mean in means)
            compared += 1
    assert compared > 500


def test_the_stated_agreement_is_that_of_the_placements():
    record = json.loads((ROOT / "labels" / "placements.json").read_text("utf-8"))
    stated = json.loads((ROOT / "labels" / "agreement.json").read_text("utf-8"))
    assert {"version": 1} | label_agreement.agreement(record) == stated


def test_faces_are_matched_once_and_the_nearest_first():
    def face(x, size=0.2):
        return label_agreement.Placed("dog", {"nose": (x, 0.5)}, size, False)

    a, b = [face(0.5), face(0.62)], [face(0.6), face(0.9, 0.05)]
    assert label_agreement.matched(a, b) == [(a[1], b[0])]
    assert label_agreement.differing(a[0], a[0]) == []
    assert label_agreement.differing(a[0], face(0.54)) == ["nose"]
