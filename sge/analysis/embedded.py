"""The report inside another page, such as a notebook: one frame that loads nothing and reaches nothing around it."""

from __future__ import annotations

from html import escape

from sge.analysis.data import AnalysisData
from sge.analysis.part_words import parts_in_words
from sge.analysis.report import html_report
from sge.analysis.summary import listed, nothing_found

HEIGHT = 760
"""Height of the frame in pixels of CSS."""
SANDBOX = "allow-scripts allow-downloads"
"""The report's scripts run, in an origin of their own: they read neither the notebook nor its cookies."""


def embedded_report(analysis: AnalysisData, height: int = HEIGHT) -> str:
    """The report of ``html_report`` as an ``iframe`` element that holds all of it.

    Args:
        analysis: With its image.
        height: Of the frame, in pixels of CSS.

    Raises:
        AnalysisFileError: As ``html_report``.
    """
    title = escape(f"SGE Lens: {analysis.image_info.name or 'image'}")
    return (
        f'<iframe title="{title}" sandbox="{SANDBOX}" style="width:100%;height:{height}px;border:0" '
        f'srcdoc="{escape(html_report(analysis))}"></iframe>'
    )


def embedded(analysis: AnalysisData) -> str:
    """What a notebook shows of an analysis: its report, or without its image a table of what was found and of its blocks.

    Raises:
        AnalysisFileError: A number is not finite.
    """
    return _table(analysis) if analysis.image is None else embedded_report(analysis)


def _table(analysis: AnalysisData) -> str:
    found = [(one.label, f"{one.score:.3f}") for one in listed(analysis)]
    found = found or [(nothing_found(analysis), "")]
    found += [(line, "") for line in parts_in_words(analysis)]
    blocks = [
        (one.name, f"{one.groups} groups, {one.height} x {one.width}, stride {one.stride}")
        for one in analysis.blocks
    ]
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in [*found, *blocks]
    )
    why = (
        "The file that this analysis was opened from holds no image. Give it: Analysis.open(path, image=...)."
    )
    return f"<table>{rows}</table><p>{why}</p>"
