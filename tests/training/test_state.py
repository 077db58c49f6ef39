from __future__ import annotations

import pytest
import torch

from sge.errors import CheckpointError
from sge.training.state import BEFORE_LAST, LAST, StateFiles


@pytest.fixture
def files(tmp_path):
    return StateFiles.in_folder(tmp_path)


def identity(**settings):
    return {"config": {"version": 2, "lr": 0.1} | settings, "classes": ["a", "b"]}


def test_nothing_was_written(files):
    assert files.load() is None


def test_both_files_are_damaged(files, tmp_path):
    (tmp_path / LAST).write_bytes(b"cut")
    (tmp_path / BEFORE_LAST).write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"or damaged.*--out.*delete last.pt and before_last.pt"):
        files.load()


def test_the_state_before_replaces_a_damaged_one(files, tmp_path):
    files.save({"step": 1, "w": torch.ones(3)})
    files.save({"step": 2, "w": torch.ones(3)})
    last = tmp_path / LAST
    last.write_bytes(last.read_bytes()[:-100])
    assert files.load()["step"] == 1


def test_killed_between_the_two_renames(files, tmp_path):
    files.save({"step": 1})
    (tmp_path / LAST).replace(tmp_path / BEFORE_LAST)
    assert files.load()["step"] == 1


def test_the_settings_that_differ_are_named(files):
    state = {"identity": identity(ema=0.9)}
    files.check_same(state, identity(ema=0.9))
    with pytest.raises(
        CheckpointError, match=r"ema \(0.9 there, not set here\), lr \(0.1 there, 0.2 here\)\."
    ):
        files.check_same(state, identity(lr=0.2))


def test_other_facts_that_differ_are_named(files):
    with pytest.raises(
        CheckpointError, match=r"differs in the classes \(without b, with c here\), the teacher\."
    ):
        files.check_same({"identity": identity()}, identity() | {"classes": ["a", "c"], "teacher": "d1"})
    counts = {"number of images": 5, "names of the images": "x"}
    with pytest.raises(CheckpointError, match=r"differs in the number of images \(5 there, 6 here\)\."):
        files.check_same({"identity": identity() | counts}, identity() | counts | {"number of images": 6})
    files.check_same({"identity": identity()}, identity() | {"dev images": "x", "names of the images": "y"})


def test_a_state_of_version_1_is_refused(files, tmp_path):
    torch.save({"about": {"recipe": {"rate": 0.1}}, "step": 5, "student": {}}, tmp_path / LAST)
    with pytest.raises(CheckpointError, match=r"another version of SGE Lens.*Name another folder \(--out\)"):
        files.load()
