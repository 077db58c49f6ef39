"""The stand-alone report: the page's modules and styles with one analysis, in a single HTML file."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path, PurePosixPath

from jinja2 import Environment, FileSystemLoader, select_autoescape

from sge.analysis.data import AnalysisData
from sge.analysis.finite_json import json_text
from sge.analysis.preview import encode_image
from sge.analysis.record import to_record
from sge.paths import shipped

MAX_PREVIEW_SIDE = 1600
"""Maximum side of the embedded image in pixels, which keeps the report small enough for mail."""
STYLES = (
    "tokens",
    "controls",
    "elements",
    "pins",
    "zoom",
    "predictions",
    "boxes",
    "parts",
    "groups",
    "effect",
    "report",
)
_IMPORT = re.compile(
    r"""(?P<keyword>\b(?:from|import)\s*\(?\s*)(?P<quote>["'])(?P<path>\.{1,2}/[^"']+)(?P=quote)"""
)


def html_report(analysis: AnalysisData, view: str | None = None) -> str:
    """A report that opens from disk without a network: image, predictions, grid of groups.

    The page's script reads the record (``to_record``) and in it ``preview``, the image as a data URL, and ``view``.

    Args:
        analysis: With its image.
        view: The settings that the report opens with, as in the hash of the page's address.

    Raises:
        AnalysisFileError: the analysis holds no image, or a number is not finite.
    """
    static = shipped("static")
    loader = Environment(loader=FileSystemLoader(shipped("templates")), autoescape=select_autoescape())
    record = to_record(analysis) | {"preview": encode_image(analysis.require_image(), MAX_PREVIEW_SIDE).url}
    if view is not None:
        record["view"] = view
    return loader.get_template("report.html").render(
        analysis=analysis,
        # "</script>" in a label must not end the element that holds the data.
        record=json_text(record).replace("<", "\\u003c"),
        styles="\n".join((static / "css" / f"{name}.css").read_text("utf-8") for name in STYLES),
        import_map=json.dumps({"imports": _modules(static / "js")}),
    )


def _modules(folder: Path) -> dict[str, str]:
    """Every ES module as a data URL, by the bare name ``sge/PATH``.

    Relative imports are rewritten to these names, because a data URL has no folder to which they could refer.
    """
    modules = {}
    for path in sorted(folder.rglob("*.js")):
        name = PurePosixPath(path.relative_to(folder).as_posix())
        source = _IMPORT.sub(lambda match, name=name: _absolute(match, name), path.read_text("utf-8"))  # type: ignore[misc]
        encoded = base64.b64encode(source.encode()).decode("ascii")
        modules[f"sge/{name}"] = f"data:text/javascript;base64,{encoded}"
    return modules


def _absolute(match: re.Match[str], importer: PurePosixPath) -> str:
    parts: list[str] = list(importer.parent.parts)
    for step in PurePosixPath(match["path"]).parts:
        if step == "..":
            parts.pop()
        else:
            parts.append(step)
    return f"{match['keyword']}{match['quote']}sge/{'/'.join(parts)}{match['quote']}"
