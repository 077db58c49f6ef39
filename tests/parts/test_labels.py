"""Labels files, also damaged ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from sge.errors import FinderError
from sge.parts.labels import read_labels, without_parts


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"images": 3}',
        '{"images": [{"nose": [1, 2]}]}',
        '{"images": [{"file": "a.png", "nose": [1]}]}',
        '{"images": [{"file": "a.png", "nose": [1, NaN]}]}',
        '{"images": [{"file": "a.png", "nose": "ab"}]}',
        json.dumps({"images": [{"file": "a.png", "nose": [10**400, 1]}]}),
    ],
)
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(FinderError, match="is not a labels file"):
        read_labels(tmp_path / "a.json")


def test_labels_of_images_that_are_not_there(tmp_path):
    (tmp_path / "a.json").write_text('{"images": [{"file": "a.png", "nose": [1, 2]}]}')
    with pytest.raises(FinderError, match=r"not in .*: a\.png"):
        read_labels(tmp_path / "a.json")
    with pytest.raises(FinderError, match="cannot be read"):
        read_labels(tmp_path / "b.json")


def test_null_means_not_visible_and_a_missing_key_not_labelled(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    entry = {"file": "a.png", "left_eye": None, "right_eye": [3, 4], "unsure": True}
    (tmp_path / "a.json").write_text(json.dumps({"images": [entry, entry | {"nose": None}]}))
    first, second = read_labels(tmp_path / "a.json")
    assert first.points == {"eye": [(3, 4)]}
    assert second.points == {"nose": [], "eye": [(3, 4)]}
    assert first.unsure


def test_a_file_of_version_1_opens(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    images = [{"file": "a.png", "nose": [1, 2]}]
    (tmp_path / "new.json").write_text(json.dumps({"images": images}))
    (tmp_path / "old.json").write_text(json.dumps({"pictures": images}))  # the key of version 1
    assert read_labels(tmp_path / "old.json") == read_labels(tmp_path / "new.json")


def test_images_lie_in_the_folder_of_the_same_name(tmp_path):
    (tmp_path / "dogs").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "dogs" / "a.png")
    (tmp_path / "dogs.json").write_text('{"images": [{"file": "a.png", "nose": null}]}')
    (image,) = read_labels(tmp_path / "dogs.json")
    assert image.path == tmp_path / "dogs" / "a.png"
    assert image.points == {"nose": []}


def test_an_image_without_parts_is_labelled_for_all_of_them():
    assert without_parts(Path("a.png")).points == {"nose": [], "eye": []}
