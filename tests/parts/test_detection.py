"""Faces drawn into logits are found, wherever and in which order they are."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from sge.images import Box
from sge.parts import Calibration, Candidate, detect
from sge.parts.detection import MAX_TERMS, part_maps, supported_faces
from sge.parts.faces import Found
from sge.parts.pairs import confidences
from tests.parts.made_detectors import CALIBRATION, made_detector
from tests.parts.made_logits import IMAGE, SIZES, MadeFace, logits_of

DETECTOR = made_detector(sizes=SIZES)
FACES = [MadeFace(250, 400, 192), MadeFace(640, 300, 384, 4.0), MadeFace(850, 600, 384, 3.0)]
few = settings(max_examples=15, deadline=None)


def found(faces):
    return detect(DETECTOR, logits_of(faces))[1]


def by_face(parts):
    return {
        face: {part.name: (part.x, part.y) for part in parts if part.face == face}
        for face in sorted({part.face for part in parts})
    }


def assert_found(parts, faces):
    assert len(parts) == 3 * len(faces)
    for (number, points), face in zip(by_face(parts).items(), faces, strict=True):
        assert points.keys() == face.points.keys(), number
        for name, (x, y) in face.points.items():
            assert math.hypot(points[name][0] - x, points[name][1] - y) < 0.3 * face.cell, name


def test_every_face_is_found_the_best_one_first():
    parts = found(FACES)
    assert_found(parts, FACES)
    assert [part.name for part in parts] == ["nose", "left_eye", "right_eye"] * 3
    assert all(part.sure == (part.score >= DETECTOR.sure) for part in parts)
    assert all(DETECTOR.shown <= part.score <= 1 for part in parts)


@few
@given(st.permutations(FACES))
def test_the_order_of_the_faces_does_not_matter(faces):
    assert found(faces) == found(FACES)


def test_the_order_of_the_sizes_does_not_matter():
    sizes = logits_of(FACES)
    maps, parts = detect(DETECTOR, sizes)
    again, same = detect(DETECTOR, sizes[::-1])
    assert same == parts
    for part in maps:
        np.testing.assert_array_equal(again[part].map, maps[part].map)


@few
@given(st.integers(-1, 3), st.integers(-1, 2), st.sampled_from(SIZES))
def test_parts_move_with_the_map(columns, rows, size):
    """By whole cells of the coarsest size, so that the maps are the same ones at another place."""
    step = min(IMAGE) / min(SIZES) * 16
    face, moved = (MadeFace(448 + dx, 416 + dy, size) for dx, dy in ((0, 0), (columns * step, rows * step)))
    for one, other in zip(found([face]), found([moved]), strict=True):
        assert (other.name, other.face, other.sure) == (one.name, one.face, one.sure)
        assert other.x - one.x == pytest.approx(columns * step, abs=0.05)
        assert other.y - one.y == pytest.approx(rows * step, abs=0.05)
        assert other.score == pytest.approx(one.score, abs=1e-4)


def test_without_a_part_the_list_is_empty():
    assert found([]) == []
    assert found([MadeFace(448, 416, 192, -4.0)]) == []


def test_a_weak_face_is_unsure():
    parts = found([MadeFace(448, 416, 192, -0.6)])
    assert parts
    assert not any(part.sure for part in parts)


def test_the_map_is_the_confidence_by_the_highest_logit():
    sizes = logits_of(FACES)
    maps = part_maps(DETECTOR, sizes)
    assert list(maps) == ["nose", "eye"]
    for row, part in enumerate(maps):
        assert maps[part].map.shape == (2 * sizes[1].logits.shape[1], 2 * sizes[1].logits.shape[2])
        assert maps[part].map.dtype == np.float32
        assert maps[part].threshold == DETECTOR.shown
        slope, intercept = CALIBRATION.alone
        shape = maps[part].map.shape
        fine = [
            interpolate(torch.from_numpy(one.logits[None]), shape, mode="bicubic")[0, row] for one in sizes
        ]
        expected = torch.sigmoid(slope * torch.stack(fine).amax(0) + intercept)
        np.testing.assert_allclose(maps[part].map, expected.numpy(), atol=1e-5)


def test_the_terms_are_the_groups_that_add_most():
    for channels in (False, True):
        detector = made_detector(channels, groups={"layer1.0": 20, "layer2.0": 30}, sizes=SIZES)
        maps = part_maps(detector, logits_of([]))
        for row, part in enumerate(maps):
            weights = {
                (one.block, group): float(weight)
                for one in detector.blocks
                for group, weight in enumerate(one.groups[row])
                if weight > 0
            }
            terms = maps[part].terms
            assert len(terms) == MAX_TERMS
            best = sorted(weights.values(), reverse=True)[:MAX_TERMS]
            assert [term.weight * sum(weights.values()) for term in terms] == pytest.approx(best)
            assert all(weights[term.block, term.group] > 0 for term in terms)
            assert maps[part].source == detector.source


def test_boxes_stay_in_the_image():
    for part in found([MadeFace(100, 740, 384), MadeFace(1000, 160, 384)]):
        left, top, right, bottom = part.box
        assert isinstance(part.box, Box)
        assert 0 <= left <= part.x <= right <= IMAGE[0]
        assert 0 <= top <= part.y <= bottom <= IMAGE[1]


def test_a_part_that_needs_the_partner_of_a_better_face_is_left_out():
    nose = Candidate(400.0, 400.0, 5.0, (32.0, 32.0))
    eyes = [Candidate(400.0 + dx, 400.0 - 2.7 * 32, 5.0, (32.0, 32.0)) for dx in (-48.0, 48.0)]
    weak = Candidate(400.0, 400.0 - 1.5 * 32, -0.5, (32.0, 32.0))
    calibration = Calibration((1.0, 0.3, 0.3), 1.0, (1.0, 0.0))
    detector = replace(made_detector(), calibration={"nose": calibration, "eye": calibration})
    candidates = {"nose": [nose], "eye": [*eyes, weak]}
    borrowed = float(confidences(detector, candidates)["eye"][2])
    alone = float(confidences(detector, {"nose": [], "eye": [weak]})["eye"][0])
    assert alone < detector.shown <= borrowed
    better = (Found("nose", nose, 0.9), *(Found("eye", eye, 0.9) for eye in eyes))
    assert [
        len(face) for face in supported_faces(detector, candidates, [better, (Found("eye", weak, borrowed),)])
    ] == [3]
    # Before the better face, the part has its partner.
    faces = supported_faces(detector, candidates, [(Found("eye", weak, borrowed),), better])
    assert faces[0][0].confidence == pytest.approx(borrowed)


@few
@given(st.integers(0, 2**31))
def test_faces_are_numbered_by_the_sum_of_the_scores_that_they_have(seed):
    """Also where a face loses confidence because its partners belong to a better one."""
    rs = np.random.RandomState(seed)
    calibration = Calibration((0.9, 0.2, 0.1), -1.0)
    detector = replace(DETECTOR, calibration={"nose": calibration, "eye": calibration})
    noisy = [
        replace(one, logits=(one.logits + rs.normal(0, 4, one.logits.shape)).astype(np.float32))
        for one in logits_of([])
    ]
    _, parts = detect(detector, noisy)
    faces = [part.face for part in parts]
    assert faces == sorted(faces)
    sums = [sum(part.score for part in parts if part.face == face) for face in sorted(set(faces))]
    assert sums == sorted(sums, reverse=True)


def test_everything_adds_only_candidates_below_the_listed_confidence():
    logits = logits_of([*FACES, MadeFace(500, 650, 384, -1.5)])
    _, parts = detect(DETECTOR, logits)
    _, every = detect(DETECTOR, logits, everything=True)
    assert every[: len(parts)] == parts
    assert len(every) > len(parts)
    assert all(one.score < DETECTOR.shown and not one.sure for one in every[len(parts) :])
