"""The stand-alone HTML report."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from pathlib import Path

import pytest

from sge.analysis.preview import encode_image
from sge.analysis.report import STYLES, _modules, html_report
from sge.errors import AnalysisFileError
from sge.paths import shipped
from tests.analyses import made


def test_the_report_contains_its_record_and_loads_nothing() -> None:
    html = html_report(made())
    records = [
        json.loads(text)
        for text in re.findall(r"<script[^>]*application/json[^>]*>(.*?)</script>", html, re.DOTALL)
    ]
    (record,) = [found for found in records if "predictions" in found]
    assert record["predictions"][0]["label"] == "tabby </script>"
    assert record["preview"] == encode_image(made().require_image()).url
    loaded = re.findall(
        r"""(?:src|href|srcset|action)\s*=\s*["']?([^"'\s>]+)|url\(\s*["']?([^"')\s]+)""", html
    )
    for address in (plain or in_css for plain, in_css in loaded):
        assert address.startswith(("data:", "#")), address
    assert not re.search(r"""(?:from|import)\s*\(?\s*["'](?:https?:|/|\.)""", html)
    assert "</script>" not in record["predictions"][0]["label"].replace("</script>", "", 1)


def record_of(html: str) -> dict[str, object]:
    """The record in a report."""
    (text,) = re.findall(r"<script[^>]*application/json[^>]*>(.*?)</script>", html, re.DOTALL)
    record: dict[str, object] = json.loads(text)
    return record


@pytest.mark.parametrize(
    "view", ["", "block=layer1.0&pins=layer1.0:1", "</script><script>alert(1)</script>", "<!--\u2028"]
)
def test_the_view_is_data_of_the_record(view: str) -> None:
    """The settings of the page's address are stored as given, and cannot end the element that holds them."""
    html = html_report(made(), view=view)
    assert record_of(html)["view"] == view
    assert "alert(1)</script>" not in html
    assert "view" not in record_of(html_report(made()))


def test_the_styles_of_a_report_exist() -> None:
    for name in STYLES:
        assert (shipped("static") / "css" / f"{name}.css").is_file()


def test_it_needs_the_image() -> None:
    with pytest.raises(AnalysisFileError, match="holds no image"):
        html_report(dataclasses.replace(made(), image=None))


def test_relative_imports_become_names_of_the_import_map(tmp_path: Path) -> None:
    (tmp_path / "elements").mkdir()
    (tmp_path / "state").mkdir()
    (tmp_path / "report.js").write_text('import "./elements/a.js";\n')
    (tmp_path / "elements" / "a.js").write_text(
        'import { b } from "./b.js";\nimport { c } from "../state/c.js";\nconst d = () => import("../report.js");\n'
    )
    (tmp_path / "elements" / "b.js").write_text('export const b = "from ./b.js";\n')
    (tmp_path / "state" / "c.js").write_text("export const c = 1;\n")
    modules = _modules(tmp_path)
    assert set(modules) == {"sge/report.js", "sge/elements/a.js", "sge/elements/b.js", "sge/state/c.js"}
    sources = {name: base64.b64decode(url.partition(",")[2]).decode() for name, url in modules.items()}
    assert sources["sge/report.js"] == 'import "sge/elements/a.js";\n'
    assert sources["sge/elements/a.js"] == (
        'import { b } from "sge/elements/b.js";\nimport { c } from "sge/state/c.js";\n'
        'const d = () => import("sge/report.js");\n'
    )
    assert sources["sge/elements/b.js"] == 'export const b = "from ./b.js";\n'
