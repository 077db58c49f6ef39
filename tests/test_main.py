"""The ``sge`` command as a whole."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from sge.__main__ import COMMANDS
from tests.conftest import ROOT

HEAVY = ("torch", "timm", "torchvision", "sklearn", "matplotlib", "scipy", "PIL")


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "sge", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


@pytest.mark.slow
def test_a_users_error_is_one_sentence_and_exit_1(tmp_path):
    result = run("predict", str(tmp_path / "x.jpg"), "--model", "sge_resnet51")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: No model 'sge_resnet51'; there are: sge_efficientnet_lite0")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_explains_itself(sge_command, command):
    result = sge_command(command.name, "--help")
    assert result.exit_code == 0, result.stderr
    assert f"{command.name} [OPTIONS]" in " ".join(result.stdout.split())


def test_the_help_lists_every_command_with_its_line(sge_command):
    text = " ".join(sge_command("--help").stdout.split())
    for command in COMMANDS:
        assert command.name in text
        assert command.help in text


def test_an_unknown_command_is_a_usage_error_with_a_suggestion(sge_command):
    result = sge_command("predcit")
    assert result.exit_code == 2
    assert "predict" in result.stderr


def test_the_help_imports_no_heavy_package():
    code = f"""
import json, sys
from sge.__main__ import main
try:
    main()
finally:
    print(json.dumps([name for name in {HEAVY} if name in sys.modules]), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert "Usage: sge" in done.stdout
    assert json.loads(done.stderr) == []
