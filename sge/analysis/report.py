"""The stand-alone report: the page's own modules, styles and one analysis in a single file."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape

from sge.analysis.analysis import Analysis
from sge.analysis.record import to_record
from sge.paths import shipped

PREVIEW_SIDE = 1600
"""The report carries the image at most this large, in pixels: it is to be sent by mail."""
STYLES = ("tokens", "controls", "elements", "predictions", "parts", "groups", "report")


def html_report(analysis: Analysis) -> str:
    """A report that opens from disk without a network: image, predictions, wall of groups.

    Raises:
        AnalysisFileError: the analysis holds no image.
    """
    static = shipped("static")
    loader = Environment(loader=FileSystemLoader(shipped("templates")), autoescape=select_autoescape())
    record = to_record(analysis) | {"image": _data_url(_preview(analysis), "image/jpeg")}
    return loader.get_template("report.html").render(
        analysis=analysis,
        # "</script>" in a label must not end the element that holds the data.
        record=json.dumps(record).replace("<", "\\u003c"),
        styles="\n".join((static / "css" / f"{name}.css").read_text("utf-8") for name in STYLES),
        import_map=json.dumps({"imports": _modules(static / "js")}),
    )


def _preview(analysis: Analysis) -> bytes:
    image = analysis.require_image().copy()
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _data_url(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _modules(folder: Path) -> dict[str, str]:
    """Every ES module as a data URL under a bare name: relative imports cannot leave a file on disk."""
    modules = {}
    for path in sorted(folder.glob("*.js")):
        source = re.sub(
            r"""(from\s+|import\s+)(["'])\./([\w.-]+)\2""", r"\1\2sge/\3\2", path.read_text("utf-8")
        )
        modules[f"sge/{path.name}"] = _data_url(source.encode(), "text/javascript")
    return modules
