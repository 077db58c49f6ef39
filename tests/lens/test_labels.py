"""Classes are found by index, label or synonym, and a wrong name gets names that are close."""

from __future__ import annotations

import pytest

from sge.errors import ChoiceError
from sge.lens.labels import find_target
from tests.drawn_images import noise
from tests.lens.networks import LABELS, Residual, lens_of


@pytest.mark.parametrize("index", [-1, 5, 10**6, "-1", "5"])
def test_an_index_out_of_range(index: int | str) -> None:
    with pytest.raises(ChoiceError, match=r"from 0 \(beagle\) to 4 \(tench, Tinca tinca\)"):
        find_target(LABELS, index)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("beagel", "beagle"),
        ("tinca", "tench, Tinca tinca"),
        ("tank", "maillot, tank suit"),
        ("xyz", "number"),
        pytest.param("9" * 5000, "number", id="too many digits"),
    ],
)
def test_an_unknown_name_gets_names_like_it(name: str, hint: str) -> None:
    with pytest.raises(ChoiceError, match=hint):
        find_target(LABELS, name)


def test_a_name_of_several_classes() -> None:
    with pytest.raises(ChoiceError, match=r"2 classes.*1 \(crane\), 2 \(crane\)"):
        find_target(LABELS, "Crane")
    with pytest.raises(ChoiceError, match="2 classes"):
        find_target(["a, b", "b, c"], "b")


@pytest.mark.parametrize("empty", ["", " ", ","])
def test_an_empty_name(empty: str) -> None:
    with pytest.raises(ChoiceError):
        find_target(LABELS, empty)


@pytest.mark.parametrize(
    ("target", "index"),
    [
        (0, 0),
        (2, 2),
        ("2", 2),
        ("beagle", 0),
        (" BEAGLE ", 0),
        ("Tinca tinca", 4),
        ("tench, tinca tinca", 4),
        ("maillot", 3),
    ],
)
def test_index_label_and_synonym(target: int | str, index: int) -> None:
    assert find_target(LABELS, target) == index


def test_a_whole_label_comes_before_a_synonym_and_a_name_before_a_number() -> None:
    assert find_target(["a, b", "b"], "b") == 1
    assert find_target(["1", "0"], "0") == 1
    assert find_target(["1", "0"], 0) == 0


def test_a_class_that_the_network_does_not_have() -> None:
    """The labels are too many, which nothing says before the network has run."""
    lens = lens_of(Residual())
    lens.model.labels = [*LABELS, "one more"]
    image = noise(96, 96)
    for method in ("gradient", "ablation"):
        with pytest.raises(ChoiceError, match="Give the Model a label for each class"):
            lens.attribute(image, len(LABELS), method=method)
    with pytest.raises(ChoiceError, match="Give the Model a label for each class"):
        lens.grad_cam(image, len(LABELS))
