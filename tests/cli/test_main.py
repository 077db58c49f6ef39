"""The command as a whole."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(*arguments):
    code = "from sge.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120
    )


def test_a_users_error_is_one_sentence_and_exit_1(tmp_path):
    result = run("predict", str(tmp_path / "x.jpg"), "--model", "sge_resnet51")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: No model 'sge_resnet51'; there are: sge_efficientnet_lite0")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("group", ["serve", "analyze", "predict", "eval", "models", "bench"])
def test_every_command_explains_itself(group):
    result = run(group, "--help")
    assert result.returncode == 0
    assert "Usage: " in result.stdout
