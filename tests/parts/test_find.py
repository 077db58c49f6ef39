"""Parts planted into made-up analyses."""

from __future__ import annotations

import numpy as np
import pytest

from sge.errors import FinderError
from sge.images.geometry import Box
from sge.nn.permutation.permute import IDENTITY_PERMUTATION
from sge.parts.find import APART, FINER, find_parts, part_maps
from sge.parts.finder import Finder, GroupWeight, Readout
from tests.analyses import COARSE, FINE, made

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
    for share, points in [*((share, noses) for share in NOSE), (EYE[0], eyes)]:
        maps = analysis.similarity[share.block]
        rows, cols = maps.shape[1:]
        x = left + (np.arange(cols) + 0.5) / cols * (right - left)
        y = top + (np.arange(rows) + 0.5) / rows * (bottom - top)
        bumps = np.zeros((rows, cols))
        for px, py in points:
            bumps = np.maximum(bumps, np.exp(-((x[None] - px) ** 2 + (y[:, None] - py) ** 2) / (2 * 14**2)))
        maps[share.group] = height * bumps
    return analysis


def found(analysis, finder=FINDER):
    return [(part.name, part.x, part.y) for part in find_parts(analysis, finder)]


def near(parts, expected, within=4):
    assert [name for name, _, _ in parts] == [name for name, _, _ in expected]
    for (name, x, y), (_, wanted_x, wanted_y) in zip(parts, expected, strict=True):
        assert np.hypot(x - wanted_x, y - wanted_y) < within, name


def test_no_part_no_list():
    assert found(planted()) == []


def test_a_weak_answer_is_no_part():
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
    (part,) = find_parts(planted([(399, 299)]), FINDER)
    assert part.x <= 400
    assert part.y <= 300
    assert part.box.right <= 400
    assert part.box.bottom <= 300


def test_positions_lie_in_the_window():
    window = Box(50.0, 0.0, 350.0, 300.0)
    near(found(planted([(100, 80)], window=window)), [("nose", 100, 80)])


def test_the_map_covers_the_window_and_says_what_it_is_made_of():
    analysis = planted([(200, 150)])
    maps = part_maps(analysis, FINDER)
    assert set(maps) == {"nose", "eye"}
    one = maps["nose"]
    assert one.map.shape == (FINER * 24, FINER * 32)
    assert one.map.dtype == np.float32
    assert one.map.min() >= 0
    assert one.map.max() <= 1
    assert one.mix == list(NOSE)
    row, col = np.unravel_index(one.map.argmax(), one.map.shape)
    assert abs((col + 0.5) / 64 * 400 - 200) < 10
    assert abs((row + 0.5) / 48 * 300 - 150) < 10
    assert maps["eye"].map.max() < one.threshold


def test_the_score_is_the_map_at_its_peak_and_the_box_is_around_it():
    analysis = planted([(200, 150)])
    (part,) = find_parts(analysis, FINDER)
    assert part.score == pytest.approx(part_maps(analysis, FINDER)["nose"].map.max())
    assert part.box.right - part.box.left == pytest.approx(2 * APART * 300)
    assert part.box.center == pytest.approx((part.x, part.y))


def test_one_loud_group_does_not_decide_alone():
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
        find_parts(made(SIZE, grids=GRIDS, groups=3), FINDER)
