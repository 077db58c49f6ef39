"""Every cell of docs/notebook.ipynb runs, and shows what it says."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import ROOT

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("anywidget")
pytest.importorskip("ipykernel")

pytestmark = pytest.mark.slow
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


def test_the_notebook_is_stored_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_every_cell_runs(tmp_path, monkeypatch):
    shutil.copy(ROOT / "static" / "samples" / "shepherd.jpg", tmp_path / "photo.jpg")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    run = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    shown = [
        {kind for output in cell.outputs for kind in output.get("data", {})}
        for cell in run.cells
        if cell.cell_type == "code"
    ]
    texts = "".join(
        output.text
        for cell in run.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )
    assert "text/html" in shown[1]
    assert "image/png" in shown[2]
    assert "application/vnd.jupyter.widget-view+json" in shown[4]
    assert "German shepherd\n" in texts
    assert (
        [cell.outputs for cell in run.cells if cell.cell_type == "code"][-1][0]
        .data["text/plain"]
        .startswith("(16, ")
    )
