"""The sets of 45 breeds: labels, names by source, and which dogs chose the epoch."""

from __future__ import annotations

import io
import tarfile

import pytest

from scripts.models import pets_data
from scripts.models.pets_data import IMAGENET_IDS, IMAGEWOOF, IN_BOTH, LABELS, OXFORD_PETS, build
from sge.datasets.imagenet import class_indices
from sge.datasets.labelled import find_labelled
from sge.errors import ChoiceError
from sge.models import imagenet_labels
from tests.drawn_images import encoded, noise


@pytest.fixture
def data(tmp_path):
    """Archives with nine dogs and one cat for each part."""
    folder = tmp_path / "data"
    folder.mkdir()
    for part in ("train", "dev"):
        for source, members in (
            ("dogs", [f"n02088364/{number}.webp" for number in range(9)]),
            ("pets", ["beagle/0.webp", "Egyptian_Mau/1.webp"]),
        ):
            with tarfile.open(folder / f"{source}_{part}.tar", "w") as out:
                for number, name in enumerate(members):
                    content = encoded(noise(8, 8, number), "WEBP")
                    info = tarfile.TarInfo(f"./{name}")
                    info.size = len(content)
                    out.addfile(info, io.BytesIO(content))
    return folder


def names(path):
    return [file.name for file in find_labelled([path]).files]


def test_one_class_for_a_breed_of_both_sources(data, tmp_path):
    counts = build(tmp_path / "out", data)
    assert counts == {"dev.tar": 11, "dev_watch.tar": 5, "dev_rest.tar": 6, "train.tar": 13}
    dev = names(tmp_path / "out" / "dev.tar")
    assert dev[0] == "beagle/woof--0.webp"
    assert dev[-2:] == ["beagle/pets--0.webp", "Egyptian Mau/pets--1.webp"]
    train = names(tmp_path / "out" / "train.tar")
    assert [name for name in train if "--1." in name] == [
        "beagle/woof--1.webp",
        "Egyptian Mau/pets--1.webp",
        "Egyptian Mau/pets2--1.webp",
    ]


def test_the_dogs_that_chose_the_epoch_and_the_rest_are_all_dogs(data, tmp_path):
    build(tmp_path, data, training=False)
    watch, rest = (set(names(tmp_path / name)) for name in ("dev_watch.tar", "dev_rest.tar"))
    assert not watch & rest
    assert watch | rest == set(names(tmp_path / "dev.tar"))
    assert len([name for name in watch if "woof--" in name]) == 3, "every fourth of nine"
    assert not (tmp_path / "train.tar").exists()


def test_an_unknown_folder(data, tmp_path, monkeypatch):
    monkeypatch.setattr(pets_data, "OXFORD_PETS", {"beagle": "beagle"})
    with pytest.raises(KeyError, match="Egyptian_Mau"):
        build(tmp_path, data)


def test_the_labels_are_45_and_imagewoofs_ids_find_theirs():
    assert len(LABELS) == 45
    assert sorted(LABELS) == LABELS
    assert IN_BOTH == ["Samoyed", "beagle"]
    found = class_indices(IMAGEWOOF, LABELS)
    assert {folder: LABELS[index] for folder, index in found.items()} == IMAGEWOOF
    assert len({label.lower() for label in LABELS}) == 45
    assert all(
        folder.replace("_", " ").split()[0].lower() in OXFORD_PETS[folder].lower()
        for folder in OXFORD_PETS
        if "wheaten" not in folder
    )


def test_classes_of_imagenet_that_show_one_of_the_breeds():
    """ImageNet's name of each is a label, but for those with another spelling."""
    other = {
        "n02085782": ("Japanese spaniel", "Japanese Chin"),
        "n02088238": ("basset", "basset hound"),
        "n02093256": ("Staffordshire bullterrier", "Staffordshire bull terrier"),
        "n02097298": ("Scotch terrier", "Scottish terrier"),
        "n02100236": ("German short-haired pointer", "German shorthaired pointer"),
        "n02102318": ("cocker spaniel", "English cocker spaniel"),
        "n02111129": ("Leonberg", "Leonberger"),
        "n02124075": ("Egyptian cat", "Egyptian Mau"),
    }
    assert len(class_indices(IMAGENET_IDS - set(other), LABELS)) == 24
    for wnid, (name, label) in other.items():
        assert label in LABELS
        assert class_indices([wnid], imagenet_labels()) == {wnid: imagenet_labels().index(name)}
        with pytest.raises(ChoiceError):
            class_indices([wnid], LABELS)


def test_the_sets_have_the_stated_numbers(shared, tmp_path):
    counts = build(tmp_path, shared / "data", training=False)
    assert counts == {"dev.tar": 2488, "dev_watch.tar": 976, "dev_rest.tar": 1512}
    assert set(find_labelled([tmp_path / "dev.tar"]).folders) == set(LABELS)
