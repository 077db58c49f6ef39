"""Which positions are sampled, and what they weigh."""

from __future__ import annotations

import numpy as np
import pytest

from sge.images import Box, Geometry
from sge.parts.columns import BlockMaps
from sge.parts.labelled_faces import Face, FacesImage
from sge.parts.samples import HARD, NEGATIVE_WEIGHT, RANDOM, joined, label_cells, loss_weights, sample

SHAPE = (12, 16)
GEOMETRY = Geometry((320, 240), (256, 192), Box(0.0, 0.0, 320.0, 240.0), "whole")
SIZES, PARTS = (96, 192, 384), ("nose", "eye")


def face(x=170.0, y=130.0, size=50.0, **more):
    return Face({"nose": (x, y), "left_eye": (x - 25, y - 40), "right_eye": (x + 25, y - 40)}, size, **more)


def labels_of(*faces, at=1):
    return label_cells(FacesImage("a.png", faces), GEOMETRY, SHAPE, at, SIZES, PARTS).reshape(2, *SHAPE)


def test_the_point_is_positive_its_surrounding_is_left_out_and_the_rest_is_negative():
    nose, eye = labels_of(face())
    assert nose[6, 8] == 1
    assert nose[6, 9] == nose[5, 8] == -1
    assert nose[6, 12] == nose[0, 0] == 0
    assert (nose == 1).sum() == 1
    assert eye[4, 7] == eye[4, 9] == 1
    assert eye[6, 8] == 0


def test_a_point_between_cells_has_one_positive_cell_at_least():
    for x in np.linspace(160, 180, 9):
        assert (labels_of(face(x=float(x)))[0] == 1).any()


def test_unsure_faces_are_left_out_of_every_part_but_not_over_a_sure_one():
    nose, eye = labels_of(face(unsure=True))
    assert (nose != 1).all()
    assert nose[6, 8] == nose[4, 7] == eye[6, 8] == -1
    assert nose[0, 0] == 0
    nose, _ = labels_of(face(), face(x=172, unsure=True))
    assert nose[6, 8] == 1


@pytest.mark.parametrize(("size", "at"), [(10.0, 2), (21.0, 2), (50.0, 1), (150.0, 0), (600.0, 0)])
def test_a_face_of_any_size_is_positive_at_some_size(size, at):
    found = [(labels_of(face(size=size), at=number)[0] == 1).any() for number in range(3)]
    assert found[at]
    if size in (10.0, 600.0):
        assert sum(found) == 1


def maps(seed=0):
    rs = np.random.RandomState(seed)
    return {"a": BlockMaps(rs.standard_normal((3, *SHAPE)).astype(np.float32))}


def test_positions_are_positive_random_and_the_highest_negative_ones():
    image = FacesImage("a.png", (face(),))
    labels = label_cells(image, GEOMETRY, SHAPE, 1, SIZES, PARTS)
    logits = np.zeros((2, *SHAPE), np.float32)
    logits[0, 0, : HARD + 4] = np.arange(HARD + 4) + 1
    logits[0, 6, 8] = 99
    taken = sample(maps(), labels, 3, image, np.random.default_rng(0), logits)
    again = sample(maps(), labels, 3, image, np.random.default_rng(0), logits)
    assert np.array_equal(taken.rows, again.rows)
    assert set(taken.image) == {3}
    assert (taken.labels[:, 0] == 1).sum() == 1
    hard = maps()["a"].groups[:, 0, 4 : HARD + 4].T.astype(np.float16)
    assert all((taken.rows == row).all(1).any() for row in hard)
    assert len(taken.rows) <= (labels == 1).any(0).sum() + RANDOM + 2 * HARD


def test_an_image_with_unlabelled_faces_gives_no_negative_position():
    image = FacesImage("a.png", (face(),), unlabelled=True)
    taken = sample(
        maps(), label_cells(image, GEOMETRY, SHAPE, 1, SIZES, PARTS), 0, image, np.random.default_rng(0)
    )
    assert set(np.unique(taken.labels)) == {-1, 1}
    empty = FacesImage("a.png", unlabelled=True)
    labels = label_cells(empty, GEOMETRY, SHAPE, 1, SIZES, PARTS)
    assert sample(maps(), labels, 0, empty, np.random.default_rng(0)) is None


def test_images_weigh_the_same():
    labels = np.array([1, 1, 0, 0, 0, 1, 0, -1], np.int8)
    image = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    weights = loss_weights(labels, image)
    assert weights[:2].sum() == pytest.approx(0.5)
    assert weights[5] == pytest.approx(0.5)
    assert weights[2:5].sum() == pytest.approx(NEGATIVE_WEIGHT / 2)
    assert weights[6] == pytest.approx(NEGATIVE_WEIGHT / 2)
    assert weights[7] == 0


def test_samples_of_some_images():
    image = FacesImage("a.png", (face(),))
    labels = label_cells(image, GEOMETRY, SHAPE, 1, SIZES, PARTS)
    both = joined([sample(maps(n), labels, n, image, np.random.default_rng(n)) for n in (0, 1)])
    assert set(both.of_images(np.array([False, True])).image) == {1}
