"""The facade: overlays, and files through Analysis.save and Analysis.open."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sge.analysis.analysis import Analysis
from sge.analysis.overlay import draw_overlay
from sge.errors import AnalysisFileError
from tests.analyses import COARSE, FINE, made


def test_an_analysis_draws_on_its_image() -> None:
    analysis = made()
    assert analysis.default_block == COARSE
    drawn = analysis.overlay(FINE, 3, opacity=0.3)
    assert drawn.size == (80, 60)
    assert drawn.tobytes() == draw_overlay(analysis, FINE, 3, opacity=0.3).tobytes()


def test_without_an_image_nothing_is_drawn() -> None:
    with pytest.raises(AnalysisFileError, match=r"image=\.\.\."):
        dataclasses.replace(made(), image=None).overlay(FINE, 0)


def test_what_is_opened_is_an_analysis_of_the_same_kind(tmp_path: Path) -> None:
    class Own(Analysis):
        pass

    made().save(tmp_path / "a.npz")
    assert type(Analysis.open(tmp_path / "a.npz")) is Analysis
    assert type(Own.open(tmp_path / "a.npz")) is Own
