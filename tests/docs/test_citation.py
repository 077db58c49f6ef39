"""CITATION.cff and llms.txt state what is so."""

from __future__ import annotations

import re

import pytest

import sge
from tests.conftest import ROOT

yaml = pytest.importorskip("yaml")


def test_the_citation_has_the_software_and_the_paper() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    # What version 1.2.0 of the format requires.
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert cited["cff-version"] == "1.2.0"
    assert cited["version"] == sge.__version__
    assert cited["license"] == "Apache-2.0"
    (paper,) = cited["references"]
    assert [author["family-names"] for author in paper["authors"]] == ["Li", "Li", "Yang"]
    assert (paper["type"], paper["year"]) == ("conference-paper", 2022)
    assert "1905.09646" in paper["identifiers"][0]["value"]


def test_the_text_for_language_models_has_its_form() -> None:
    text = (ROOT / "llms.txt").read_text("utf-8")
    title, quote, *_ = text.split("\n\n")
    assert title == "# SGE Lens"
    assert all(line.startswith("> ") for line in quote.splitlines())
    entries = [line for line in text.partition("\n## ")[2].splitlines() if line.startswith("- ")]
    assert entries
    assert [line for line in entries if not re.fullmatch(r"- \[[^]]+\]\([^)]+\): .+", line)] == []
    named = set(re.findall(r"\(docs/([a-z_]+\.md)\)", text))
    assert named <= {path.name for path in (ROOT / "docs").glob("*.md")}
    for name in re.findall(r"`sge\.([A-Za-z_]+)(?:\(|`)", text):
        assert name == "__all__" or name in sge.__all__


def test_the_names_in_the_text_are_public() -> None:
    code = re.findall(r"sge\.([A-Za-z_]+)\(", (ROOT / "llms.txt").read_text("utf-8"))
    assert code
    assert set(code) <= set(sge.__all__)
