"""Labels of a trained network: English names for WordNet ids, else the names of the folders."""

from __future__ import annotations

import pytest

from sge.training.result import _labels


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (["n02086240", "n02088364"], ["Shih-Tzu", "beagle"]),
        (["circle", "square"], ["circle", "square"]),
        (["n02086240", "circle"], ["n02086240", "circle"]),
        (["0", "1"], ["0", "1"]),
    ],
)
def test_labels(classes, labels):
    assert _labels(classes) == labels
