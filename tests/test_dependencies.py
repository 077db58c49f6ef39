"""The house of DESIGN.md, section 1: imports point down, and files keep their size."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

STOREYS = (("sge.nn",), ("sge",), ("sge.cli", "sge.train", "sge.bench"), ("app",))
"""Lowest first. A module may import from its own storey and from those below."""
MAX_FILE_LINES, MAX_FUNCTION_LINES = 300, 50
SOURCES = sorted(path for folder in ("app", "sge") for path in (ROOT / folder).rglob("*.py"))


def storey(module: str) -> int | None:
    matches = [
        (len(name), level)
        for level, names in enumerate(STOREYS)
        for name in names
        if module == name or module.startswith(f"{name}.")
    ]
    return max(matches)[1] if matches else None


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide their storey"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def upward(module: str, names: set[str]) -> list[str]:
    own = storey(module)
    return sorted(
        name for name in names if (level := storey(name)) is not None and own is not None and level > own
    )


@pytest.mark.parametrize("path", SOURCES, ids=[module_of(path) for path in SOURCES])
def test_imports_point_down(path):
    assert upward(module_of(path), imported(ast.parse(path.read_text("utf-8")))) == []


def test_an_import_that_points_up_is_found():
    tree = ast.parse("from app.engine import Engine\nimport sge.cli.main\nfrom sge import lens\nimport torch")
    assert upward("sge.nn.module", imported(tree)) == [
        "app.engine",
        "app.engine.Engine",
        "sge",
        "sge.cli.main",
        "sge.lens.lens",
    ]
    assert upward("app.main", imported(tree)) == []


NETWORKS = [path for path in SOURCES if module_of(path).startswith("sge.nn")]


@pytest.mark.parametrize("path", NETWORKS, ids=[module_of(path) for path in NETWORKS])
def test_networks_know_nothing_of_files_and_images(path):
    assert not {"PIL", "pathlib", "os", "io"} & {
        name.split(".")[0] for name in imported(ast.parse(path.read_text("utf-8")))
    }


@pytest.mark.parametrize("path", SOURCES, ids=[module_of(path) for path in SOURCES])
def test_files_and_functions_keep_their_size(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= MAX_FILE_LINES
    long = [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > MAX_FUNCTION_LINES
    ]
    assert long == []


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of code: a signature's and a docstring's length is no complexity."""
    documented = ast.get_docstring(node) is not None
    body = node.body[1:] if documented else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
