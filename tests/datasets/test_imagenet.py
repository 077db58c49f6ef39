"""Folder names to classes: WordNet ids, labels and numbers."""

from __future__ import annotations

import pytest

from sge.datasets.imagenet import class_indices
from sge.errors import ChoiceError
from sge.models.labels import imagenet_labels


@pytest.mark.parametrize("folder", ["6", "n99999999", "my dogs", "²"])
def test_a_folder_that_is_no_class(folder):
    with pytest.raises(ChoiceError, match="is no class of this model"):
        class_indices([folder], ["a", "b", "c", "d", "e", "f"])


def test_a_label_of_two_classes_names_none():
    with pytest.raises(ChoiceError, match="Several classes"):
        class_indices(["crane"], ["crane", "crane", "other"])
    assert class_indices(["1"], ["crane", "crane", "other"]) == {"1": 1}


def test_folders_by_wordnet_id_label_and_number():
    found = class_indices(["n02099601", "golden retriever", "207"], imagenet_labels())
    assert set(found.values()) == {207}


def test_ids_of_a_model_with_fewer_classes():
    """Labels are torchvision's names, WordNet's, or ids; "crane" is the machine and not the bird."""
    labels = ["Shih-Tzu", "Samoyed, Samoyede", "n02099601", "crane"]
    folders = ["n02086240", "n02111889", "golden retriever", "n03126707", "3"]
    assert list(class_indices(folders, labels).values()) == [0, 1, 2, 3, 3]
    for stranger in ("n02012849", "n02088364"):
        with pytest.raises(ChoiceError, match="is no class"):
            class_indices([stranger], labels)
