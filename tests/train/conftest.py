"""Runs the real command in this process."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from sge.cli.main import app


@pytest.fixture
def sge_command():
    """Calls ``sge ARGUMENTS``; the result has exit_code, stdout and stderr."""
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, [str(one) for one in arguments])
