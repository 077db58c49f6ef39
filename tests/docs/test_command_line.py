"""``docs/command_line.md`` names every ending, every folder and every command that the code knows."""

from __future__ import annotations

import re

from sge.__main__ import COMMANDS, INTERRUPTED
from sge.cli.accounts import MAX_LINES
from sge.cli.inputs import MAX_STREAM
from sge.datasets import foreign
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "command_line.md").read_text("utf-8")


def test_the_endings_of_images():
    listed = PAGE.partition("## Which files count")[2].partition("Everything else")[0]
    assert re.findall(r"`(\.\w+)`", listed) == list(foreign.SUFFIXES)


def test_limits_and_statuses():
    assert f"{MAX_STREAM // 2**20} MiB" in PAGE
    assert f"{MAX_LINES} names are printed" in PAGE
    assert re.findall(r"^\| (\d+) \|", PAGE, re.M) == ["0", "1", "2", str(INTERRUPTED)]


def test_every_command_that_takes_images_is_there():
    rows = PAGE.partition("| command | takes |")[2].partition("JSON of measurements")[0]
    for command in COMMANDS:
        if command.name not in ("serve", "models", "bench"):
            assert command.name in rows
