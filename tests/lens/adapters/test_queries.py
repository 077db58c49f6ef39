"""Outputs of DETR and its like are read as boxes where the classes are known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from sge.lens.adapters import find_adapter

SHAPE = (2, 3, 40, 80)


def logits(columns: int = 3) -> Tensor:
    """One query of the first image is sure of class 1."""
    made = torch.full((2, 5, columns), -9.0)
    made[:, :, -1] = 9
    made[0, 3] = -9
    made[0, 3, 1] = 3
    return made


def output(columns: int = 3, sides: int = 4) -> dict[str, Tensor]:
    boxes = torch.zeros(2, 5, sides)
    boxes[0, 3, :4] = torch.tensor([0.5, 0.5, 0.25, 0.5])
    return {"pred_logits": logits(columns), "pred_boxes": boxes}


@pytest.mark.parametrize("name", ["auto", "detr"])
@pytest.mark.parametrize("kind", ["dict", "object"])
def test_the_last_class_is_none(name: str, kind: str) -> None:
    given: Any = output()
    if kind == "object":  # as transformers' networks return it
        given = SimpleNamespace(logits=given["pred_logits"], pred_boxes=given["pred_boxes"])
    found = find_adapter(name, 2)(given, SHAPE)
    assert found.boxes is not None
    expected = float(torch.tensor([-9.0, 3, -9]).softmax(0)[1])
    torch.testing.assert_close(found.boxes[0], torch.tensor([[30, 10, 50, 30, expected, 1]]))
    assert found.boxes[1].shape == (0, 6)


def test_as_many_numbers_as_labels() -> None:
    found = find_adapter("auto", 3)(output(), SHAPE)
    assert found.boxes is not None
    by_sigmoid = found.boxes[0][found.boxes[0][:, 5] == 1]
    assert by_sigmoid[0, 4] == pytest.approx(float(torch.tensor(3.0).sigmoid()))


def test_what_is_not_a_number_stays_for_the_lens_to_refuse() -> None:
    given = output()
    given["pred_logits"][1, 0] = torch.nan
    found = find_adapter("auto", 2)(given, SHAPE)
    assert found.boxes is not None
    assert found.boxes[1].isnan().any()


@pytest.mark.parametrize(
    ("given", "classes", "words"),
    [
        (output(), None, "no labels are given"),
        (output(), 7, "3 labels, or 2 if it does"),
        (output(sides=5), 2, "boxes of 5 numbers"),
        (output() | {"pred_boxes": torch.zeros(2, 4, 4)}, 2, "not read as"),
    ],
)
def test_what_is_refused(given: dict[str, Tensor], classes: int | None, words: str) -> None:
    found = find_adapter("auto", classes)(given, SHAPE)
    assert (found.boxes, found.logits) == (None, None)
    assert words in found.note


def test_rotated_boxes_of_dicts() -> None:
    one = {"boxes": torch.zeros(2, 5), "scores": torch.ones(2), "labels": torch.ones(2)}
    found = find_adapter("auto", 2)([one], (1, 3, 40, 80))
    assert found.boxes is None
    assert "rotated" in found.note
