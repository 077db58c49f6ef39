"""Parts planted into made-up similarity maps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import sge
from sge.errors import FinderError
from sge.images.geometry import Box, Geometry
from sge.nn.permutation.permute import IDENTITY_PERMUTATION
from sge.parts.find import MIN_PEAK_DISTANCE, UPSAMPLING, Peak, maps_and_parts, passes, peaks, weighted_sum
from sge.parts.finder import Finder, GroupWeight, Readout
from tests.analyses import COARSE, FINE, made
from tests.parts.made_detectors import made_detector

SIZE = (400, 300)
GRIDS = {FINE: (24, 32), COARSE: (12, 16)}
NOSE = (GroupWeight(FINE, 2, 0.7), GroupWeight(COARSE, 5, 0.3))
EYE = (GroupWeight(FINE, 4, 1.0),)
FINDER = Finder(
    {"nose": Readout(NOSE, 8.0, 8.0, 0.5), "eye": Readout(EYE, 8.0, 8.0, 0.5)}, IDENTITY_PERMUTATION
)


def planted(noses=(), eyes=(), window=None, height=3.0):
    """Low maps everywhere, with bumps at (x, y) in pixels of the image."""
    analysis = made(SIZE, window=window, grids=GRIDS)
    left, top, right, bottom = analysis.geometry.window
    for term, points in [*((term, noses) for term in NOSE), (EYE[0], eyes)]:
        maps = analysis.similarity[term.block]
        rows, cols = maps.shape[1:]
        x = left + (np.arange(cols) + 0.5) / cols * (right - left)
        y = top + (np.arange(rows) + 0.5) / rows * (bottom - top)
        bumps = np.zeros((rows, cols))
        for px, py in points:
            bumps = np.maximum(bumps, np.exp(-((x[None] - px) ** 2 + (y[:, None] - py) ** 2) / (2 * 14**2)))
        maps[term.group] = height * bumps
    return analysis


def found(analysis, finder=FINDER):
    return [(part.name, part.x, part.y) for part in parts_in(analysis, finder)]


def parts_in(analysis, finder=FINDER):
    return maps_and_parts(analysis.similarity, analysis.geometry, finder)[1]


def maps_in(analysis, finder=FINDER):
    return maps_and_parts(analysis.similarity, analysis.geometry, finder)[0]


def near(parts, expected, within=4):
    assert [name for name, _, _ in parts] == [name for name, _, _ in expected]
    for (name, x, y), (_, wanted_x, wanted_y) in zip(parts, expected, strict=True):
        assert np.hypot(x - wanted_x, y - wanted_y) < within, name


def test_without_a_part_the_list_is_empty():
    assert found(planted()) == []


def test_a_weak_response_is_not_a_part():
    assert found(planted([(200, 150)], [(180, 100)], height=0.9)) == []


def test_a_face():
    face = planted([(203, 181)], [(171, 122), (239, 118)])
    near(found(face), [("nose", 203, 181), ("left_eye", 171, 122), ("right_eye", 239, 118)])


@pytest.mark.parametrize(("x", "name"), [(160, "left_eye"), (240, "right_eye")])
def test_one_eye_is_named_by_its_side_of_the_nose(x, name):
    near(found(planted([(200, 180)], [(x, 120)])), [("nose", 200, 180), (name, x, 120)])


def test_eyes_without_a_nose():
    near(found(planted([], [(220, 120), (160, 120)])), [("left_eye", 160, 120), ("right_eye", 220, 120)])
    near(found(planted([], [(300, 120)])), [("right_eye", 300, 120)])


def test_two_faces_keep_their_own_eyes():
    parts = found(planted([(80, 200), (320, 200)], [(55, 150), (105, 150), (295, 150), (345, 150)]))
    assert sorted(name for name, _, _ in parts) == sorted(["nose", "left_eye", "right_eye"] * 2)
    for first in (0, 3):
        (_, nose, _), (left_name, left, _), (right_name, right, _) = parts[first : first + 3]
        assert (left_name, right_name) == ("left_eye", "right_eye")
        assert left < nose < right
        assert right - left < 60


def test_a_part_at_the_edge_stays_within_the_image():
    (part,) = parts_in(planted([(399, 299)]))
    assert part.x <= 400
    assert part.y <= 300
    assert part.box.right <= 400
    assert part.box.bottom <= 300


def test_positions_lie_in_the_window():
    window = Box(50.0, 0.0, 350.0, 300.0)
    near(found(planted([(100, 80)], window=window)), [("nose", 100, 80)])


def test_the_map_covers_the_window_and_names_its_groups():
    analysis = planted([(200, 150)])
    maps = maps_in(analysis)
    assert set(maps) == {"nose", "eye"}
    nose = maps["nose"]
    assert nose.map.shape == (UPSAMPLING * 24, UPSAMPLING * 32)
    assert nose.map.dtype == np.float32
    assert nose.map.min() >= 0
    assert nose.map.max() <= 1
    assert nose.terms == list(NOSE)
    row, col = np.unravel_index(nose.map.argmax(), nose.map.shape)
    assert abs((col + 0.5) / 64 * 400 - 200) < 10
    assert abs((row + 0.5) / 48 * 300 - 150) < 10
    assert maps["eye"].map.max() < nose.threshold


def test_the_score_is_the_map_at_its_peak_and_the_box_is_around_it():
    analysis = planted([(200, 150)])
    (part,) = parts_in(analysis)
    assert part.score == pytest.approx(maps_in(analysis)["nose"].map.max())
    assert part.box.right - part.box.left == pytest.approx(2 * MIN_PEAK_DISTANCE * 300)
    assert part.box.center == pytest.approx((part.x, part.y))


def test_an_extreme_group_does_not_decide_alone():
    analysis = planted()
    analysis.similarity[COARSE][5, 3, 3] = 100.0
    assert found(analysis) == []


def test_a_flat_image_has_no_part_and_no_warning(recwarn):
    analysis = planted()
    for maps in analysis.similarity.values():
        maps[:] = 0
    assert found(analysis) == []
    assert not recwarn.list


def test_a_finder_of_another_model_is_refused():
    with pytest.raises(FinderError, match="does not have"):
        parts_in(made(SIZE, grids=GRIDS, groups=3))


def test_peaks_are_located_between_cells():
    """A paraboloid whose vertex lies between cells is found exactly."""
    geometry = planted().geometry
    y, x = np.mgrid[0:12, 0:16]
    logits = (5 - 0.1 * (x + 0.5 - 8.3) ** 2 - 0.1 * (y + 0.5 - 5.8) ** 2).astype(np.float32)
    (peak,) = peaks(logits, geometry)
    assert (peak.x, peak.y) == (pytest.approx(8.3 * 25, abs=0.01), pytest.approx(5.8 * 25, abs=0.01))


def test_peaks_in_the_padding_are_left_out():
    """The window is twice as wide as the image; the highest peak lies beyond it, one at its edge, and one in it."""
    geometry = Geometry((200, 300), (128, 96), Box(0.0, 0.0, 400.0, 300.0), "whole")
    logits = np.full((24, 32), -9, np.float32)
    logits[12, 28], logits[20, 16], logits[4, 6] = 5, 4, 3
    found = peaks(logits, geometry)
    assert [(peak.x, peak.logit) for peak in found[:2]] == [(200, 4), (pytest.approx(6.5 * 12.5), 3)]
    assert max(peak.logit for peak in found) == 4
    logits[:] = np.linspace(0, 1, 32)
    (only,) = peaks(logits, geometry)
    assert (only.x, only.logit) == (200, 1)


def test_readouts_are_used_whatever_a_detector_reads():
    analysis = planted([(200, 150)])
    detector = made_detector(groups={"elsewhere": 7})
    with_detector = replace(FINDER, detectors={"mix": detector})
    assert sge.find_parts(analysis, with_detector) == parts_in(analysis)


def test_of_equal_neighbors_one_is_a_peak():
    assert len(peaks(np.zeros((4, 4), np.float32), planted().geometry)) <= 12
    plateau = np.zeros((24, 32), np.float32)
    plateau[10, 10:12] = 1
    highest = [peak for peak in peaks(plateau, planted().geometry) if peak.logit == 1]
    assert len(highest) == 1


def test_the_weighted_sum_adds_blocks_of_several_resolutions():
    maps = {FINE: np.ones((3, 4, 4), np.float32), COARSE: np.full((2, 2, 2), 2, np.float32)}
    terms = (GroupWeight(FINE, 1, 0.25), GroupWeight(COARSE, 0, 0.5), GroupWeight(FINE, 2, 0.25))
    assert weighted_sum(maps, terms, (8, 8)) == pytest.approx(np.full((8, 8), 1.5), abs=1e-6)


def test_a_peak_passes_from_the_threshold_on():
    readout = Readout(NOSE, 1.0, 0.0, 0.75)
    assert passes(Peak(0, 0, np.log(3) + 1e-6), readout)
    assert not passes(Peak(0, 0, np.log(3) - 1e-6), readout)
