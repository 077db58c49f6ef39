"""Outputs of YOLO in its layouts are read as boxes, and what only resembles them is not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sge.lens.adapters.anchors import MAX_BOXES, MIN_SCORE, read_anchors

SHAPE = (2, 3, 64, 96)
ANCHORS = 8 * 12 + 4 * 6 + 2 * 3
"""Positions of the strides 8, 16 and 32."""


def anchors(classes: int = 4, extra: int = 0) -> Tensor:
    """(2, 4 + classes + extra, anchors) with scores of 0."""
    found = torch.zeros(2, 4 + classes + extra, ANCHORS)
    found[:, 2:4] = 1
    found[:, 4 + classes :] = -7
    return found


def placed(found: Tensor, row: int, anchor: int, box: tuple[float, ...], index: int, score: float) -> None:
    found[row, :4, anchor] = torch.tensor(box)
    found[row, 4 + index, anchor] = score


def example() -> Tensor:
    """In the first image two boxes that overlap, of one class, and the same of two classes; in the second one box."""
    found = anchors()
    placed(found, 0, 5, (20, 30, 10, 20), 1, 0.6)
    placed(found, 0, 6, (20.5, 30, 10, 20), 1, 0.9)
    placed(found, 0, 7, (20, 30, 10, 20), 3, 0.5)
    placed(found, 0, 8, (60, 30, 10, 20), 1, MIN_SCORE - 0.01)
    placed(found, 1, 0, (8, 8, 4, 4), 0, 0.7)
    return found


EXPECTED = [
    [[15.5, 20, 25.5, 40, 0.9, 1], [15, 20, 25, 40, 0.5, 3]],
    [[6, 6, 10, 10, 0.7, 0]],
]


def with_objects(found: Tensor) -> Tensor:
    """The same as (N, anchors, 5 + classes), where each score is that of an object times that of the class."""
    scores = found[:, 4:].mT
    best = scores.amax(2, keepdim=True)
    return torch.cat([found[:, :4].mT, best, scores / best.clamp(min=1e-9)], 2)


def final(found: Tensor) -> Tensor:
    """(N, 5, 6), as of a network that suppresses boxes itself."""
    rows = torch.zeros(2, 5, 6)
    for row, boxes in enumerate(EXPECTED):
        rows[row, : len(boxes)] = torch.tensor(boxes)
    return rows


LAYOUTS: dict[str, Any] = {
    "plain": example(),
    "beside raw predictions": (example(), {"boxes": torch.zeros(1)}),
    "one at each position": with_objects(example()),
    "three at each position": torch.cat(
        [with_objects(example()), with_objects(anchors())[:, [0] * 2 * ANCHORS]], 1
    ),
    "final": final(example()),
    "half": example().half(),
}


@pytest.mark.parametrize("classes", [None, 4])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str, classes: int | None) -> None:
    found = read_anchors(LAYOUTS[layout], SHAPE, classes)
    assert found is not None
    for boxes, expected in zip(found, EXPECTED, strict=True):
        torch.testing.assert_close(
            boxes, torch.tensor(expected), atol=1e-2 if layout == "half" else 1e-5, rtol=0
        )


def test_what_follows_the_scores_is_not_read() -> None:
    found = torch.cat([example(), torch.full((2, 32, ANCHORS), -7.0)], 1)
    assert read_anchors(found, SHAPE, None) is None
    boxes = read_anchors(found, SHAPE, 4)
    assert boxes is not None
    torch.testing.assert_close(boxes[0], torch.tensor(EXPECTED[0]))


UNREAD: dict[str, Any] = {
    "another number of anchors": example()[..., 1:],
    "no classes": example()[:, :4],
    "features of transformers": torch.randn(2, ANCHORS, 192),
    "logits of positions": torch.randn(2, 9, ANCHORS),
    "whole numbers": example().long(),
    "two dimensions": example()[0],
    "six numbers that are no boxes": torch.rand(2, 7, 6),
    "nothing": [],
    "no tensor": [None],
}


@pytest.mark.parametrize("kind", UNREAD)
def test_other_outputs(kind: str) -> None:
    assert read_anchors(UNREAD[kind], SHAPE, None) is None


def test_numbers_of_boxes() -> None:
    side = 640
    count = (side // 8) ** 2 + (side // 16) ** 2 + (side // 32) ** 2
    many = torch.zeros(1, 5, count)
    many[0, 0], many[0, 2:4], many[0, 4] = torch.arange(count) * 4, 2, torch.linspace(0.3, 0.9, count)
    (boxes,) = read_anchors(many, (1, 3, side, side), None) or []
    assert len(boxes) == MAX_BOXES
    assert boxes[0, 4] == many[0, 4].max()
    (none,) = read_anchors(torch.zeros(1, 5, count), (1, 3, side, side), None) or []
    assert none.shape == (0, 6)


def test_what_is_not_a_number_stays_so() -> None:
    found = example()
    found[0, 5, 0] = torch.nan
    boxes = read_anchors(found, SHAPE, None)
    assert boxes is not None
    assert boxes[0].isnan().all()


def test_fractions_of_the_image() -> None:
    """RT-DETR of ultralytics: center, width and height of each query as fractions, score, class."""
    found = torch.zeros(2, 3, 6)
    found[0, 0] = torch.tensor([0.5, 0.25, 0.5, 0.25, 0.9, 2])
    found[0, 1] = torch.tensor([0.9, 0.9, 0.4, 0.2, 0.3, 1])
    first, second = read_anchors((found, [None]), SHAPE, 3) or []
    torch.testing.assert_close(
        first,
        torch.tensor([[24, 8, 72, 24, 0.9, 2], [0.7 * 96, 0.8 * 64, 1.1 * 96, 64, 0.3, 1]]),
    )
    assert second.shape == (0, 6)
    corners = torch.tensor([[[0.1, 0.1, 0.5, 0.5, 0.9, 0]]])  # These may be corners as well.
    assert read_anchors(corners, SHAPE, None) is None


def test_rotated_boxes_are_refused_in_words() -> None:
    found = torch.cat([example(), torch.full((2, 1, ANCHORS), 0.5)], 1)
    assert "rotated" in str(read_anchors(found, SHAPE, 4))


def test_of_a_tuple_in_a_tuple() -> None:
    """As ultralytics' segmentation returns them, with coefficients and prototypes of masks."""
    boxes = read_anchors(((example(), torch.zeros(2, 32, 8, 8)), {}), SHAPE, 4)
    assert boxes is not None
    torch.testing.assert_close(boxes[0], torch.tensor(EXPECTED[0]))


@pytest.mark.parametrize("seed", range(3))
def test_suppression_is_that_of_torchvision(seed: int) -> None:
    from torchvision.ops import batched_nms, box_convert

    random = torch.Generator().manual_seed(seed)
    found = torch.rand(1, 4 + 3, ANCHORS, generator=random)
    found[:, :4] *= torch.tensor([96, 64, 60, 60.0])[:, None]
    (boxes,) = read_anchors(found, (1, *SHAPE[1:]), 3) or []
    corners, (score, index) = box_convert(found[0, :4].mT, "cxcywh", "xyxy"), found[0, 4:].max(0)
    expected = batched_nms(corners, score, index, 0.7)
    expected = expected[score[expected] >= MIN_SCORE]
    torch.testing.assert_close(boxes[:, :4], corners[expected])
    torch.testing.assert_close(boxes[:, 4], score[expected])
