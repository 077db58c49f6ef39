"""The tables of the documents are rendered from the figures beside the weights, and all of these are shown."""

from __future__ import annotations

import pytest

from scripts.render_tables import DOCUMENTS, ROOT, SUFFIX, cell, placed_tables, read_figures, render, rendered
from sge.paths import shipped

MODELS = sorted(
    path.name.removesuffix(SUFFIX)
    for folder in (shipped("weights"), ROOT / "docs")
    for path in folder.glob(f"*{SUFFIX}")
)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_tables_are_up_to_date(path):
    text = path.read_text("utf-8")
    assert rendered(text) == text, "run: python -m scripts.render_tables"


def test_every_figure_is_in_its_document():
    placed = {(path.name, *table) for path in DOCUMENTS for table in placed_tables(path.read_text("utf-8"))}
    stated = {
        (table["document"].removeprefix("docs/"), model, name)
        for model in MODELS
        for name, table in read_figures(model).items()
    }
    assert placed == stated


@pytest.mark.parametrize("model", MODELS)
def test_every_row_is_complete_and_has_its_own_id(model):
    for name, table in read_figures(model).items():
        keys = {column["key"] for column in table["columns"]}
        assert all(keys <= row.keys() for row in table["rows"]), name
        assert len({row["id"] for row in table["rows"]}) == len(table["rows"]), name
        assert "set" in table or "set" in keys, name


def test_cells_and_a_whole_table():
    assert [cell(value) for value in (None, 3, 0.5, "text")] == ["", "3", "0.500", "text"]
    assert cell([0.5, 0.25], 2) == "0.50 / 0.25"
    assert cell({"value": 0.5, "low": 0.4, "high": 0.6}, 1) == "0.5 (0.40 to 0.60)"
    table = {
        "columns": [{"key": "a", "title": "A"}, {"key": "b", "title": "B", "digits": 1}],
        "rows": [{"id": "x", "a": "one", "b": 0.25}, {"id": "y", "a": "two", "b": 0.25, "digits": 2}],
        "set": "ours",
        "command": "do",
    }
    assert render(table) == (
        "| A | B |\n| --- | --- |\n| one | 0.2 |\n| two | 0.25 |\n\n*Set:* ours. *Command:* `do`.\n"
    )
