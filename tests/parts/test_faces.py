"""Faces that are joined of single parts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sge.parts import Candidate
from sge.parts.faces import Found, join_faces, named, without_overlaps
from tests.parts.made_detectors import made_detector

DETECTOR = made_detector()
CELL = (20.0, 20.0)
some = settings(max_examples=40, deadline=None)
confidence = st.floats(0.2, 0.999)
parts = st.builds(
    lambda part, x, y, p: Found(part, Candidate(x, y, 0.0, CELL), p),
    st.sampled_from(["nose", "eye"]),
    st.floats(0, 400),
    st.floats(0, 300),
    confidence,
)


def face(x, y, p=0.9, eyes=(-1.5, 1.5)):
    return [
        Found("nose", Candidate(x, y, 0.0, CELL), p),
        *(Found("eye", Candidate(x + 20 * dx, y - 54, 0.0, CELL), p) for dx in eyes),
    ]


@some
@given(st.lists(parts, max_size=12))
def test_every_part_is_in_one_face_with_one_nose_and_two_eyes(found):
    faces = join_faces(DETECTOR, found)
    joined = [one for members in faces for one in members]
    assert len({id(one) for one in joined}) == len(joined)
    assert {id(one) for one in joined} <= {id(one) for one in found}
    # Only parts below ``sure`` may be taken for a second peak and left out.
    assert all(one.confidence < DETECTOR.sure for one in found if not any(one is kept for kept in joined))
    for members in faces:
        assert 1 <= len(members) <= 3
        assert sum(one.part == "nose" for one in members) <= 1
        assert sum(one.part == "eye" for one in members) <= 2
    sums = [sum(one.confidence for one in members) for members in faces]
    assert sums == sorted(sums, reverse=True)


@some
@given(st.lists(parts, max_size=10), st.randoms())
def test_the_order_of_the_parts_does_not_matter(found, random):
    shuffled = list(found)
    random.shuffle(shuffled)
    assert join_faces(DETECTOR, shuffled) == join_faces(DETECTOR, found)


@some
@given(st.permutations([(100, 150, 0.9), (300, 150, 0.7), (100, 350, 0.5)]))
def test_faces_apart_are_each_joined(places):
    faces = join_faces(DETECTOR, [one for x, y, p in places for one in face(x, y, p)])
    assert [members[0].confidence for members in faces] == [0.9, 0.7, 0.5]
    for members, (x, y) in zip(faces, ((100, 150), (300, 150), (100, 350)), strict=True):
        assert [one.part for one in members] == ["nose", "eye", "eye"]
        assert (members[0].at.x, members[0].at.y) == (x, y)
        assert [name for name, _ in named(members, 200)] == ["nose", "left_eye", "right_eye"]


def test_neighbors_keep_their_own_eyes():
    """Two faces side by side: the inner eyes fit both noses."""
    faces = join_faces(DETECTOR, [*face(100, 200), *face(180, 200, 0.8)])
    for members, x in zip(faces, (100, 180), strict=True):
        assert [one.at.x for one in members] == pytest.approx([x, x - 30, x + 30])


def test_a_far_part_is_a_face_of_its_own():
    faces = join_faces(DETECTOR, [*face(100, 200), Found("eye", Candidate(380, 20, 0.0, CELL), 0.6)])
    assert [len(members) for members in faces] == [3, 1]


def test_a_third_eye_below_sure_is_a_second_peak_and_a_sure_one_is_not():
    third = Found("eye", Candidate(100, 140, 0.0, CELL), 0.3)
    assert len(join_faces(DETECTOR, [*face(100, 200), third])) == 1
    assert len(join_faces(DETECTOR, [*face(100, 200), replace(third, confidence=0.6)])) == 2


@pytest.mark.parametrize(("x", "y", "kept"), [(100, 170, 1), (120, 160, 1), (100, 240, 2), (170, 160, 2)])
def test_a_part_in_the_middle_of_a_face_is_no_face_of_its_own(x, y, kept):
    inside = (Found("eye", Candidate(x, y, 0.0, CELL), 0.99),)
    whole = tuple(face(100, 200))
    assert len(without_overlaps([whole, inside])) == kept
    assert without_overlaps([whole, inside]) == without_overlaps([inside, whole])[::-1]


@some
@given(st.lists(parts, max_size=12))
def test_what_is_left_are_whole_faces_and_all_that_have_most_parts(found):
    faces = join_faces(DETECTOR, found)
    left = without_overlaps(faces)
    assert [one for one in faces if one in left] == left
    most = max((len(one) for one in faces), default=0)
    assert [one for one in left if len(one) == most] == [one for one in faces if len(one) == most]


@pytest.mark.parametrize(("side", "name"), [(-1.5, "left_eye"), (1.5, "right_eye")])
def test_a_single_eye_is_named_by_its_side_of_the_nose(side, name):
    (members,) = join_faces(DETECTOR, face(300, 200, eyes=(side,)))
    assert [name for name, _ in named(members, 50)] == ["nose", name]


@pytest.mark.parametrize(("x", "name"), [(100, "left_eye"), (300, "right_eye")])
def test_a_single_eye_without_a_nose_is_named_by_its_half_of_the_image(x, name):
    (members,) = join_faces(DETECTOR, [Found("eye", Candidate(x, 50, 0.0, CELL), 0.9)])
    assert [name for name, _ in named(members, 200)] == [name]


def test_without_pairs_every_part_is_a_face():
    assert len(join_faces(replace(DETECTOR, pairs={}), face(100, 200))) == 3
    assert join_faces(DETECTOR, []) == []
