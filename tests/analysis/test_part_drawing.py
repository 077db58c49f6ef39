"""Rings around the parts, dashed where they are unsure, and the numbers of faces."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from sge.analysis.overlay import draw_overlay
from sge.analysis.part_drawing import draw_parts
from sge.images import Box
from sge.parts import Part
from tests.analyses import COARSE, made

GRAY = (128, 128, 128)


def part(name: str, x: float, y: float, half: float = 20, face: int = 0, sure: bool = True) -> Part:
    return Part(name, x, y, 0.9, Box(x - half, y - half, x + half, y + half), face, sure)


def drawn(parts: list[Part], size: tuple[int, int] = (200, 160)) -> np.ndarray:
    image = Image.new("RGB", size, GRAY)
    draw_parts(image, parts)
    return np.asarray(image, np.int64)


def changed(image: np.ndarray) -> np.ndarray:
    return (image != GRAY).any(-1)


@pytest.mark.parametrize(
    ("parts", "size"),
    [
        ([], (200, 160)),
        ([part("nose", -500, 9000)], (200, 160)),
        ([part("nose", 0, 0), part("nose", 0, 0, face=1)], (200, 160)),
        ([part("tail", 100, 80, half=0)], (200, 160)),
        ([part("nose", 0.5, 0.5, face=face) for face in range(30)], (1, 1)),
        ([part("nose", 20, 1, half=1e6, face=7)], (300, 2)),
    ],
    ids=[
        "none",
        "outside",
        "two at one position",
        "unknown name, no box",
        "one pixel",
        "box over everything",
    ],
)
def test_unusual_parts_are_drawn(parts: list[Part], size: tuple[int, int]) -> None:
    assert drawn(parts, size).shape == (size[1], size[0], 3)


def test_a_ring_surrounds_its_part_and_covers_neither_its_middle_nor_the_rest() -> None:
    image = changed(drawn([part("nose", 100, 80)]))
    rows, cols = np.nonzero(image)
    distance = np.hypot(rows + 0.5 - 80, cols + 0.5 - 100)
    assert image.any()
    assert distance.min() > 16
    assert distance.max() < 24
    # In every direction there is a pixel of the ring.
    angles = np.floor(np.degrees(np.arctan2(rows - 80, cols - 100)) / 10)
    assert len(np.unique(angles)) >= 36


def test_an_unsure_part_has_a_dashed_ring() -> None:
    sure, unsure = (changed(drawn([part("nose", 100, 80, sure=sure)])) for sure in (True, False))
    assert not (unsure & ~sure).any()
    assert 0.3 < unsure.sum() / sure.sum() < 0.85


def test_nose_and_eyes_have_the_colors_of_the_page() -> None:
    nose, eye = (drawn([part(name, 100, 80)]) for name in ("nose", "left_eye"))
    assert ((nose == (255, 125, 26)).all(-1)).any()
    assert ((eye == (22, 213, 224)).all(-1)).any()


def test_rings_of_neighbors_do_not_overlap() -> None:
    near = [part("left_eye", 70, 80, 40), part("right_eye", 130, 80, 40)]
    alone = changed(drawn(near[:1]))
    assert alone[80, 99:].any()
    assert not changed(drawn(near))[80, 99:101].any()


def test_only_several_faces_are_numbered() -> None:
    parts = [part("nose", 60, 80), part("nose", 140, 80)]
    plain = changed(drawn(parts))
    numbered = changed(drawn([parts[0], dataclasses.replace(parts[1], face=1)]))
    assert not (plain & ~numbered).any()
    extra = numbered & ~plain
    assert extra[:, :100].any()
    assert extra[:, 100:].any()
    assert not extra[80:].any()


def test_an_overlay_shows_the_parts_if_they_are_asked_for() -> None:
    analysis = made((400, 300))
    plain, ringed = (np.asarray(draw_overlay(analysis, COARSE, 1, parts=parts)) for parts in (False, True))
    rows, cols = np.nonzero((plain != ringed).any(-1))
    assert rows.size > 0
    assert np.hypot(rows + 0.5 - 30.25, cols + 0.5 - 40.5).max() < 16
