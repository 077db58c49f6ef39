"""Every file that the architecture page names exists, and its table of packages is complete."""

from __future__ import annotations

import re

from tests.conftest import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
FOLDERS = ("app", "sge", "scripts", "static", "templates", "tests", "weights", "docs")


def named_paths() -> set[str]:
    """Paths in backticks; a bare file name belongs to the folder of the path before it in the same cell."""
    found = set()
    for cell in re.split(r"[|\n]", PAGE):
        folder = ""
        for text in re.findall(r"`([^`]+)`", cell):
            if re.fullmatch(r"[\w./]+/[\w./]*", text) and text.split("/")[0] in FOLDERS:
                found.add(text)
                folder = text.rpartition("/")[0]
            elif folder and re.fullmatch(r"\w+\.py", text):
                found.add(f"{folder}/{text}")
    return found


def test_every_path_exists():
    paths = named_paths()
    assert len(paths) > 40
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []


def test_every_package_is_in_the_table():
    packages = {path.parent.name for path in (ROOT / "sge").glob("*/__init__.py")}
    assert sorted(name for name in packages if f"`sge/{name}/`" not in PAGE) == []
