"""Fitting to made-up maps: no network, no images."""

from __future__ import annotations

import numpy as np
import pytest

from sge.errors import FinderError
from sge.images.geometry import Box, Geometry
from sge.parts.fit import fit_finder, fit_readout, labelled_maps, readout_peaks

SIZE = (128, 96)
GEOMETRY = Geometry(SIZE, SIZE, Box(0.0, 0.0, 128.0, 96.0), "whole")
STRIDES = {"fine": 8, "middle": 16, "coarse": 32}


def similarity(seed, bumps=(), groups=5):
    """Noise at three strides; each bump (block, group, x, y) raises one cell."""
    rs = np.random.RandomState(seed)
    maps = {
        block: (0.5 * rs.standard_normal((groups, SIZE[1] // stride, SIZE[0] // stride))).astype(np.float32)
        for block, stride in STRIDES.items()
    }
    for block, group, x, y in bumps:
        maps[block][group, int(y // STRIDES[block]), int(x // STRIDES[block])] = 6
    return maps


def shown(seed, part="nose", group=3):
    x, y = np.random.RandomState(100 + seed).randint(8, 88, 2)
    bumps = [("middle", group, x, y)]
    return labelled_maps(similarity(seed, bumps), STRIDES, GEOMETRY, {part: [(float(x), float(y))]})


def absent(seed, part="nose"):
    return labelled_maps(similarity(seed), STRIDES, GEOMETRY, {part: []})


def test_blocks_of_fine_stride_are_left_out():
    image = shown(0)
    assert set(image.maps) == {"middle", "coarse"}
    assert image.grid == (6, 8)
    assert image.features.shape == (10, 48)
    assert image.features.max() <= 3.5
    only_fine = labelled_maps({"fine": np.zeros((2, 12, 16), np.float32)}, {"fine": 8}, GEOMETRY, {})
    assert set(only_fine.maps) == {"fine"}


@pytest.mark.parametrize("negatives", [0, 1, 8])
def test_the_responding_group_is_chosen(negatives):
    images = [*map(shown, range(8)), *map(absent, range(50, 50 + negatives))]
    readout = fit_readout(images, "nose")
    assert (readout.terms[0].block, readout.terms[0].group) == ("middle", 3)
    assert sum(term.weight for term in readout.terms) == pytest.approx(1)
    for seed in range(20, 25):
        image = shown(seed)
        (x, y), top = image.points["nose"][0], readout_peaks(image, readout)[0]
        assert np.hypot(top.x - x, top.y - y) < 17


def test_the_threshold_separates_images_with_and_without_the_part():
    readout = fit_readout([*map(shown, range(8)), *map(absent, range(50, 58))], "nose")
    assert all(readout_peaks(shown(seed), readout)[0].logit > 0 for seed in range(20, 25))
    assert all(readout_peaks(absent(seed), readout)[0].logit < 0 for seed in range(70, 75))


def test_a_finder_has_the_parts_that_are_shown():
    finder = fit_finder([*map(shown, range(4)), absent(9, "eye")], "ab" * 32, fitted_on="noise", size=96)
    assert set(finder.readouts) == {"nose"}
    assert (finder.permutations, finder.fitted_on, finder.size) == ("ab" * 32, "noise", 96)


def test_maps_without_information_are_refused():
    flat = {block: np.zeros_like(maps) for block, maps in similarity(0).items()}
    image = labelled_maps(flat, STRIDES, GEOMETRY, {"nose": [(40.0, 40.0)]})
    with pytest.raises(FinderError, match="No group responds to the nose"):
        fit_readout([image, image], "nose")
