"""Accuracy: the shipped model's stated figure, and folders that cannot be measured."""

from __future__ import annotations

import pytest
from PIL import Image

import sge
from sge.errors import BrokenPictureError, ChoiceError
from sge.evaluate import class_indices, evaluate
from sge.registry import shipped_cards
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def lens():
    return sge.Lens(sge.load_model("sge_efficientnet_lite0"))


def test_folders_by_wordnet_id_label_and_number(lens):
    found = class_indices(["n02099601", "golden retriever", "207"], lens.model.labels)
    assert set(found.values()) == {207}


@pytest.mark.parametrize("folder", ["1000", "n99999999", "my dogs"])
def test_a_folder_that_is_no_class(lens, folder):
    with pytest.raises(ChoiceError, match="is no class of this model"):
        class_indices([folder], lens.model.labels)


def test_no_folder_and_no_pictures(lens, tmp_path):
    with pytest.raises(ChoiceError, match="There is no folder"):
        evaluate(lens, tmp_path / "gone")
    (tmp_path / "207").mkdir()
    with pytest.raises(ChoiceError, match="no pictures"):
        evaluate(lens, tmp_path)


def test_a_picture_that_cannot_be_read_ends_the_measurement(lens, tmp_path):
    (tmp_path / "207").mkdir()
    (tmp_path / "207" / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    with pytest.raises(BrokenPictureError, match=r"a\.jpg: "):
        evaluate(lens, tmp_path)


def test_counts(lens, tmp_path):
    """Two shepherds under their class, one under a wrong one: two of three are right."""
    dog = Image.open(ROOT / "static" / "samples" / "shepherd.jpg")
    for folder, name in (("235", "a"), ("235", "b"), ("388", "c")):
        (tmp_path / folder).mkdir(exist_ok=True)
        dog.save(tmp_path / folder / f"{name}.png")
    # What file managers leave behind is neither a class nor a picture.
    (tmp_path / ".cache").mkdir()
    (tmp_path / "235" / ".DS_Store").write_bytes(b"x")
    result = evaluate(lens, tmp_path)
    assert (result.pictures, result.top1, result.per_class) == (3, 2 / 3, {"235": 1.0, "388": 0.0})
    assert result.top1_among == 2 / 3


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_cards())
def test_the_cards_figure_is_the_measured_one(name, shared):
    stated = next(one for one in shipped_cards()[name]["accuracy"] if one["pictures"] == 500)
    result = evaluate(sge.Lens(sge.load_model(name)), shared / "data" / "imagenet_val_dogs")
    assert result.pictures == 500
    # One picture either way: another processor may round a draw differently.
    assert abs(result.top1 - stated["top1"]) <= 0.002
