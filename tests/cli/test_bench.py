from __future__ import annotations

import pytest

from sge.bench.timing import Timing
from sge.models.names import DEFAULT_MODEL


@pytest.fixture
def measured(monkeypatch):
    """The names of what would have been timed; each contender takes 1 s, 2 s, ..."""
    asked = []

    def interleaved(contenders, rounds):
        asked.append((list(contenders), rounds))
        return {name: Timing((float(number),) * rounds) for number, name in enumerate(contenders, 1)}

    monkeypatch.setattr("sge.cli.bench.interleaved", interleaved)
    return asked


@pytest.mark.slow
def test_the_stages_of_a_lens_are_compared_with_the_forward_pass(sge_command, measured):
    result = sge_command("bench", "lens", "--rounds", 5, "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    ((names, rounds),) = measured
    assert (names[0], rounds) == ("forward pass alone", 5)
    assert f"{DEFAULT_MODEL} on cpu" in result.stdout
    assert "1.00" in result.stdout
    assert "2.00 to 2.00" in result.stdout


@pytest.mark.parametrize(
    "arguments", [("lens", "--rounds", "4"), ("module", "--threads", "-1"), ("nothing",)]
)
def test_usage_errors_exit_2(sge_command, measured, arguments):
    assert sge_command("bench", *arguments).exit_code == 2
    assert measured == []
