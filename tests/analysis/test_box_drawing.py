"""Boxes over the image: where the lines lie, which are drawn, and labels that fit nowhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sge.analysis import Box
from sge.analysis.box_drawing import MAX_DRAWN, MAX_LETTERS, caption_of, draw_boxes
from sge.analysis.overlay import draw_overlay
from sge.analysis.summary import NO_BOXES, NO_CLASSES, _findings, draw_summary
from tests.analyses import FINE, made

GRAY = (128, 128, 128)


def drawn(*boxes: Box, size: tuple[int, int] = (400, 300)) -> np.ndarray:
    image = Image.new("RGB", size, GRAY)
    draw_boxes(image, boxes)
    return np.asarray(image, np.int64)


def changed(pixels: np.ndarray) -> np.ndarray:
    return (pixels != GRAY).any(2)


@pytest.mark.parametrize(
    "box",
    [
        Box("dog", 0.9, 1, 500.0, 20.0, 50.0, 50.0),
        Box("dog", 0.9, 1, -60.0, 20.0, 50.0, 50.0),
        Box("dog", 0.9, 1, 20.0, 300.0, 50.0, 50.0),
    ],
)
def test_what_lies_outside_is_not_drawn(box: Box) -> None:
    assert not changed(drawn(box)).any()


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (400, 2), (20, 20)])
def test_any_image_takes_boxes(size: tuple[int, int]) -> None:
    box = Box("a long label that fits nowhere here", 0.5, 0, 0.0, 0.0, float(size[0]), float(size[1]))
    assert drawn(box, size=size).shape == (size[1], size[0], 3)
    assert drawn(replace(box, x=size[0] / 2, width=0.0, height=0.0), size=size).shape[2] == 3


@pytest.mark.parametrize(
    ("x", "y", "width", "height"), [(60, 80, 120, 90), (0, 0, 399, 299), (370.5, 250.2, 90, 90)]
)
def test_the_line_lies_on_the_edges(x: float, y: float, width: float, height: float) -> None:
    pixels = drawn(Box("dog", 0.9, 1, x, y, width, height))
    right, bottom = min(400, x + width), min(300, y + height)
    middle = round((y + bottom) / 2), round((x + right) / 2)
    row = np.flatnonzero((pixels[middle[0]] == 255).all(1))
    assert abs(row.min() - x) <= 2
    assert abs(row.max() - right) <= 2
    assert not changed(pixels)[middle]
    assert (pixels[:, middle[1]] == 255).all(1).any()


def test_the_best_boxes_are_drawn_and_the_first_lies_above() -> None:
    best = Box("dog", 0.9, 1, 100.0, 100.0, 60.0, 60.0)
    others = [Box("cat", 0.5, 2, 10.0, 10.0, 30.0, 30.0)] * (MAX_DRAWN - 1)
    beyond = Box("rug", 0.4, 3, 200.0, 200.0, 80.0, 80.0)
    assert (drawn(best, *others, beyond) == drawn(best, *others)).all()
    over = replace(others[0], x=100.0, y=100.0, width=60.0, height=60.0)
    edge = 159, slice(101, 159)
    assert (drawn(best, over)[edge] == drawn(best)[edge]).all()


def test_labels_do_not_cover_each_other_and_the_best_ones_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[float, float, float, float]] = []
    text_of = ImageDraw.ImageDraw.text

    def note(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, **options: Any) -> None:
        written.append(draw.textbbox(at, text, font=options["font"]))
        text_of(draw, at, text, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", note)
    rng = np.random.default_rng(0)
    boxes = [
        Box("dog", 0.9, 1, *map(float, rng.uniform(0, (300, 200))), *map(float, rng.uniform(20, 100, 2)))
        for _ in range(MAX_DRAWN)
    ]
    drawn(*boxes)
    assert 10 < len(written) < MAX_DRAWN
    for number, (left, top, right, bottom) in enumerate(written):
        for other in written[:number]:
            assert left >= other[2] or other[0] >= right or top >= other[3] or other[1] >= bottom
    drawn(*boxes[:1] * 2)
    assert len({box[:2] for box in written[-2:]}) == 2


def test_boxes_that_are_far_less_likely_than_the_best_are_not_drawn() -> None:
    best, rug = Box("dog", 0.9, 1, 100.0, 100.0, 60.0, 60.0), Box("rug", 0.2, 3, 200.0, 200.0, 80.0, 80.0)
    assert (drawn(best, rug) == drawn(best)).all()
    weak = replace(best, score=0.01)
    assert not (drawn(weak, replace(rug, score=0.009)) == drawn(weak)).all()


def test_labels_are_one_short_line() -> None:
    assert caption_of(Box("dog", 0.874, 1, 0, 0, 1, 1)) == "dog  87 %"
    odd = caption_of(Box("a\nb\x1b[31m\u202e" + "x" * 300, 1.0, 1, 0, 0, 1, 1))
    assert odd.isprintable()
    assert len(odd) <= MAX_LETTERS + len("  100 %")


def test_an_overlay_draws_them_unless_it_is_told_not_to() -> None:
    plain = made((400, 300))
    found = replace(plain, boxes=[Box("dog", 0.9, 1, 60.0, 80.0, 120.0, 90.0)])
    with_boxes, without = draw_overlay(found, FINE, 0), draw_overlay(found, FINE, 0, boxes=False)
    assert without.tobytes() == draw_overlay(plain, FINE, 0).tobytes()
    assert with_boxes.tobytes() != without.tobytes()


def test_a_summary_names_boxes_or_says_that_there_are_no_classes() -> None:
    none = replace(made(), predictions=[])
    assert _findings(none) == [NO_CLASSES]
    assert _findings(replace(none, is_detector=True)) == [NO_BOXES]
    assert _findings(replace(none, boxes=[Box("dog\n", 0.875, 1, 0, 0, 9, 9)])) == [" 87.5 %   dog\\n"]
    assert draw_summary(none).size[0] > 0
