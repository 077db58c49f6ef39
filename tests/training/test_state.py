from __future__ import annotations

import pytest
import torch

from sge.errors import CheckpointError
from sge.training.state import BEFORE, LAST, check_same, load_state, save_state


def test_nothing_was_written(tmp_path):
    assert load_state(tmp_path) is None


def test_both_damaged(tmp_path):
    (tmp_path / LAST).write_bytes(b"cut")
    (tmp_path / BEFORE).write_bytes(b"")
    with pytest.raises(CheckpointError, match="damaged"):
        load_state(tmp_path)


def test_a_damaged_state_gives_way_to_the_one_before(tmp_path):
    save_state(tmp_path, {"step": 1, "w": torch.ones(3)})
    save_state(tmp_path, {"step": 2, "w": torch.ones(3)})
    last = tmp_path / LAST
    last.write_bytes(last.read_bytes()[:-100])
    state = load_state(tmp_path)
    assert state is not None
    assert state["step"] == 1


def test_killed_between_the_two_renames(tmp_path):
    save_state(tmp_path, {"step": 1})
    (tmp_path / LAST).replace(tmp_path / BEFORE)
    state = load_state(tmp_path)
    assert state is not None
    assert state["step"] == 1


def test_another_training_is_refused_by_what_differs(tmp_path):
    with pytest.raises(CheckpointError, match="recipe differ"):
        check_same({"about": {"recipe": 1, "classes": 2}}, {"recipe": 3, "classes": 2}, tmp_path)
    check_same({"about": {"recipe": 1}}, {"recipe": 1}, tmp_path)
