"""The packages of DESIGN.md, section 2: imports point down, packages have no cycles, and files keep their size."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

GROUND = ("arrays", "devices", "errors", "files", "paths", "text")
LAYERS = (
    ("sge.ground",),
    ("sge.nn",),
    ("sge.images",),
    ("sge.parts",),
    ("sge.analysis",),
    ("sge.models",),
    ("sge.lens",),
    ("sge.datasets",),
    ("sge.evaluation",),
    ("sge.training", "sge.bench"),
    ("sge",),
    ("sge.cli",),
    ("app",),
    ("sge.__main__",),
)
"""Lowest first. A package may import the packages of the layers below its own, and nothing else of the project."""
LEVEL = {package: level for level, packages in enumerate(LAYERS) for package in packages}
TORCH_FREE = (
    "sge",
    "sge.images",
    "sge.parts",
    "sge.analysis",
    "sge.models",
    "sge.devices",
    "sge.lens",
    "sge.__main__",
    "app.main",
    "app.server",
)
MAX_FILE_LINES, MAX_FUNCTION_LINES = 300, 50
SOURCES = sorted(path for folder in ("app", "sge", "scripts") for path in (ROOT / folder).rglob("*.py"))
DOTTED = re.compile(r"((?:app|sge)(?:\.\w+)+)(?::\w+)?")
"""A string of this form is the target of ``importlib`` or of a table of lazy imports."""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in SOURCES}


def package_of(module: str) -> str:
    """The package of the table that a module belongs to."""
    if module in LEVEL:
        return module
    first, second = (*module.split("."), "")[:2]
    if first == "app":
        return "app"
    return "sge.ground" if second in GROUND else f"{first}.{second}" if second else first


def imported_names(module: str, tree: ast.AST, is_package: bool) -> Iterator[str]:
    """Every dotted name that a module imports, also inside functions, relatively, or by a string."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".") if is_package else module.split(".")[:-1]
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join([*parts, base] if base else parts)
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            match = DOTTED.fullmatch(node.value)
            # Keys of metadata look alike: "sge.card", and "sge.analysis" in the package of that name.
            if match and module_named(match[1]) not in (None, "sge", "app", package_of(module)):
                yield match[1]


def module_named(name: str) -> str | None:
    """The project's module that a dotted name comes from: the longest prefix that is one."""
    parts = name.split(".")
    candidates = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((candidate for candidate in candidates if candidate in MODULES), None)


@cache
def imports_of(module: str) -> frozenset[str]:
    path = MODULES[module]
    tree = ast.parse(path.read_text("utf-8"))
    found = (module_named(name) for name in imported_names(module, tree, path.name == "__init__.py"))
    return frozenset(name for name in found if name is not None and name != module)


def faults(module: str, names: frozenset[str]) -> list[str]:
    own = package_of(module)
    others = {name for name in names if package_of(name) != own}
    return sorted(name for name in others if LEVEL[package_of(name)] >= LEVEL[own])


PACKAGED = [module for module in MODULES if not module.startswith("scripts")]


@pytest.mark.parametrize("module", PACKAGED)
def test_imports_point_down(module):
    assert faults(module, imports_of(module)) == []


@pytest.mark.parametrize("module", PACKAGED)
def test_other_packages_are_imported_by_what_they_export(module):
    """A package's ``__init__`` lists what other packages may use; its inner modules are its own affair."""
    own = package_of(module)
    inner = {
        name
        for name in imports_of(module)
        if package_of(name) not in (own, "sge.ground") and name not in LEVEL
    }
    assert inner == set()


def test_no_module_imports_itself_in_a_circle():
    state: dict[str, int] = {}

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert state.get(module) != 1, f"import cycle: {' -> '.join((*path, module))}"
        if state.get(module) == 2:
            return
        state[module] = 1
        # A package's __init__ imports its modules; a module that imports a sibling does not come back to it.
        for name in sorted(imports_of(module)):
            visit(name, (*path, module))
        state[module] = 2

    for module in PACKAGED:
        visit(module, ())


@pytest.mark.parametrize(
    ("module", "code", "expected"),
    [
        ("sge.nn.module", "from app.engine import Engine", ["app.engine"]),
        ("sge.nn.module", "def f():\n    import sge.cli.analyze", ["sge.cli.analyze"]),
        ("sge.nn.module", "from sge import lens", ["sge.lens"]),
        ("sge.nn.module", "import importlib\nimportlib.import_module('app.main')", ["app.main"]),
        ("sge.training.run", "from sge.bench import timing", ["sge.bench.timing"]),
        ("app.engine", "from .errors import install\nfrom sge.lens import Lens\nimport torch", []),
        ("sge.cli.analyze", "TABLE = {'serve': 'app.main:serve'}", ["app.main"]),
    ],
)
def test_an_import_that_points_up_is_found(module, code, expected):
    found = (module_named(name) for name in imported_names(module, ast.parse(code), is_package=False))
    assert faults(module, frozenset(name for name in found if name)) == expected


NETWORKS = [module for module in PACKAGED if package_of(module) == "sge.nn"]


@pytest.mark.parametrize("module", NETWORKS)
def test_networks_do_not_read_files_or_images(module):
    path = MODULES[module]
    names = imported_names(module, ast.parse(path.read_text("utf-8")), path.name == "__init__.py")
    assert not {"PIL", "pathlib", "os", "io"} & {name.split(".")[0] for name in names}


@pytest.mark.slow
@pytest.mark.parametrize("module", TORCH_FREE)
def test_what_exported_models_need_does_not_import_torch(module):
    """Exported models can then be served from a container without torch, torchvision and timm."""
    code = f"import sys, {module}; print(*sorted({{'torch', 'torchvision', 'timm'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


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
    """Lines of code: the length of a signature and of a docstring is no complexity."""
    documented = ast.get_docstring(node) is not None
    body = node.body[1:] if documented else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
