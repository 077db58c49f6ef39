from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

import app.command
from app.settings import Settings


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that ``sge serve`` would have started the service with."""
    settings: list[Settings] = []
    monkeypatch.setattr(app.command, "run", settings.append)
    return settings


def test_options_are_handed_over_as_settings(
    sge_command: Callable[..., Any], started: list[Settings]
) -> None:
    before = dict(os.environ)
    options = ["--models", "a, b.safetensors", "--host", "::1", "--port", "81", "--device", "cuda:1"]
    assert sge_command("serve", *options).exit_code == 0
    (settings,) = started
    assert settings.models == ["a", "b.safetensors"]
    assert (settings.host, settings.port, settings.device) == ("::1", 81, "cuda:1")
    assert dict(os.environ) == before


def test_an_option_overrides_its_variable_and_the_other_variables_hold(
    sge_command: Callable[..., Any], started: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SGE_PORT", "81")
    monkeypatch.setenv("SGE_MAX_BATCH", "3")
    assert sge_command("serve", "--port", "82").exit_code == 0
    assert sge_command("serve").exit_code == 0
    assert [(settings.port, settings.max_batch) for settings in started] == [(82, 3), (81, 3)]


def test_every_wrong_value_is_reported_at_once_and_the_exit_code_is_2(
    sge_command: Callable[..., Any], started: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SGE_PORT", "http")
    monkeypatch.setenv("SGE_MAX_BATCH", "0")
    result = sge_command("serve", "--models", "a,a")
    assert (result.exit_code, result.stdout, started) == (2, "", [])
    assert sorted(line.split(" is ")[0] for line in result.stderr.splitlines()) == [
        "error: SGE_MAX_BATCH",
        "error: SGE_MODELS",
        "error: SGE_PORT",
    ]
