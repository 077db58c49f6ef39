"""The structure of the page's scripts: one custom element a file, and imports that point one way."""

from __future__ import annotations

import re

import pytest

from app.pages import modules
from tests.conftest import ROOT

FOLDER = ROOT / "static" / "js"
PATHS = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.js"))
MUST_NOT_IMPORT = {"elements": (), "drawing": ("elements",), "state": ("elements", "drawing")}


def source(path):
    return (FOLDER / path).read_text("utf-8")


def imports(path):
    """The names that a module imports, as (exported, used), with the module that they come from."""
    for names, target in re.findall(r'^import (?:\{([^}]*)\} from )?"([^"]+)";', source(path), re.M):
        resolved = (FOLDER / path).parent.joinpath(target).resolve().relative_to(FOLDER.resolve()).as_posix()
        pairs = [name.strip().split(" as ") for name in names.split(",") if name.strip()]
        yield [(pair[0], pair[-1]) for pair in pairs], resolved


@pytest.mark.parametrize("path", PATHS)
def test_a_custom_element_has_a_file_of_its_name(path):
    defined = re.findall(r'customElements\.define\("([\w-]+)"', source(path))
    name = path.removeprefix("elements/").removesuffix(".js")
    assert defined == ([name] if name.startswith("sge-") else [])


@pytest.mark.parametrize("path", PATHS)
def test_imported_names_are_exported_and_used(path):
    for names, target in imports(path):
        exported = re.findall(r"^export (?:async )?(?:function|class|const) (\w+)", source(target), re.M)
        assert {name for name, _ in names} <= set(exported), target
        assert [name for _, name in names if len(re.findall(rf"\b{name}\b", source(path))) < 2] == []


@pytest.mark.parametrize("folder", sorted(MUST_NOT_IMPORT))
def test_imports_point_one_way(folder):
    forbidden = (*(f"{name}/" for name in MUST_NOT_IMPORT[folder]), "page.js", "embed.js", "report.js")
    found = [
        (path, target)
        for path in PATHS
        if path.startswith(f"{folder}/")
        for _, target in imports(path)
        if target.startswith(forbidden)
    ]
    assert found == []


def test_the_page_preloads_every_module_but_other_entry_points():
    assert modules() == [path for path in PATHS if path not in ("embed.js", "report.js")]
