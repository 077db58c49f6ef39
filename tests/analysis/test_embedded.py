"""An analysis in a notebook: one frame that holds its whole report."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser

import numpy as np
import pytest

from sge.analysis.box import Box
from sge.analysis.report import html_report
from sge.errors import AnalysisFileError
from tests.analyses import FINE, made


class Elements(HTMLParser):
    """The elements of a document, with their attributes as a browser reads them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_frame_holds_the_report_and_nothing_leaves_it() -> None:
    """A label and a file name that try to end the attribute stay inside it."""
    info = dataclasses.replace(made().image_info, name='"></iframe><script>alert(1)</script>.png')
    analysis = dataclasses.replace(made(), image_info=info)
    ((tag, attributes),) = Elements(analysis._repr_html_()).found
    assert tag == "iframe"
    assert attributes["srcdoc"] == html_report(analysis)
    assert "allow-same-origin" not in (attributes["sandbox"] or "allow-same-origin")


def test_without_an_image_there_is_a_table() -> None:
    shown = Elements(dataclasses.replace(made(), image=None)._repr_html_())
    assert {tag for tag, _ in shown.found} == {"table", "tr", "td", "p"}
    text = " ".join(shown.text)
    assert "tabby </script>" in text
    assert f"{FINE} 8 groups, 6 x 8, stride 8" in text
    assert "Analysis.open(path, image=...)" in text


def test_the_table_has_boxes_or_says_that_there_are_neither_boxes_nor_classes() -> None:
    bare = dataclasses.replace(made(), image=None, predictions=[])
    box = Box("dog", 0.875, 1, 0.0, 0.0, 9.0, 9.0)
    for changes, said in (
        ({"boxes": [box]}, "dog 0.875"),
        ({"is_detector": True}, "No boxes: "),
        ({}, "No classes: "),
    ):
        assert said in " ".join(Elements(dataclasses.replace(bare, **changes)._repr_html_()).text)


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_a_number_that_is_not_finite_is_refused_with_a_sentence() -> None:
    analysis = made()
    analysis.similarity[FINE] = np.full_like(analysis.similarity[FINE], np.nan)
    with pytest.raises(AnalysisFileError, match="not finite"):
        analysis._repr_html_()
