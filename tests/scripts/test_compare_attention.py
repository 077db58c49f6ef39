"""The comparison: finished trainings are not repeated, and their tables are read."""

from __future__ import annotations

import subprocess

import pytest
from typer.testing import CliRunner

from scripts.measure import compare_attention


@pytest.fixture
def commands(monkeypatch):
    """Collects the commands of trainings, and writes their results instead of training."""
    seen = []

    def run(command, check):
        seen.append(command)
        folder = compare_attention.Path(command[command.index("--out") + 1])
        folder.mkdir(parents=True)
        (folder / "best.safetensors").touch()
        (folder / "log.csv").write_text("epoch,top1,best\n0,0.5,0.5\n1,0.25,0.5\n")

    monkeypatch.setattr(subprocess, "run", run)
    return seen


def test_an_option_is_missing():
    assert CliRunner().invoke(compare_attention.app, ["--train", "a"]).exit_code == 2


@pytest.mark.slow
def test_trainings_run_once_and_other_options_are_passed_on(commands, tmp_path):
    arguments = ["--train", "a", "--dev", "b", "--out", str(tmp_path), "--seeds", "1", "--epochs", "3"]
    first = CliRunner().invoke(compare_attention.app, arguments)
    assert first.exit_code == 0, first.output
    assert [command[command.index("--attention") + 1] for command in commands] == list(
        compare_attention.KINDS
    )
    assert all(command[command.index("--epochs") + 1] == "3" for command in commands)
    assert "| 0.250 (0.250) | 0.500 |" in first.stdout
    again = CliRunner().invoke(compare_attention.app, arguments)
    assert (len(commands), again.stdout.splitlines()[-1]) == (5, first.stdout.splitlines()[-1])
