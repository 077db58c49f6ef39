"""The routes that documents name are routes of the service."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.app.conftest import API
from tests.app.middleware.asking import fresh
from tests.conftest import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "llms.txt", *sorted((ROOT / "docs").glob("*.md"))]
ROUTE = re.compile(r"`(GET|POST) (/[\w/{}.-]*)")
NAMED = re.compile(r"\{[^}]*\}|\b[A-Z]{2,}\b")
"""What stands for a name in a path."""


@pytest.fixture(scope="module")
def known() -> set[tuple[str, str]]:
    """Methods and paths, below ``API`` or at the root."""
    paths = fresh().get("/openapi.json").json()["paths"]
    return {
        (method.upper(), NAMED.sub("{}", path.removeprefix(API)))
        for path, methods in paths.items()
        for method in methods
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_routes_that_there_are(document: Path, known: set[tuple[str, str]]) -> None:
    named = {(method, NAMED.sub("{}", path)) for method, path in ROUTE.findall(document.read_text("utf-8"))}
    assert named <= known


def test_routes_are_found(known: set[tuple[str, str]]) -> None:
    assert ("POST", "/analyze") in known
    assert ROUTE.findall((ROOT / "docs" / "api.md").read_text("utf-8"))
