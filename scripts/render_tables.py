"""Renders the tables of docs/models.md, parts.md and faithfulness.md from the figures beside the weights.

    python -m scripts.render_tables [--check]

A table stands between ``<!-- table: MODEL TABLE -->`` and ``<!-- end of table -->``; everything between the two is
replaced. The figures are in ``weights/MODEL.figures.json``, and those of no single model in ``docs/``: ``MODEL`` is then the
name of the measurement.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from sge.files import write_atomically
from sge.paths import shipped

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = tuple(ROOT / "docs" / name for name in ("models.md", "parts.md", "faithfulness.md"))
SUFFIX = ".figures.json"
VERSION = 1
DIGITS = 3
"""Decimal places of a column that states none."""

Table = dict[str, Any]
"""``document``, ``columns`` (``key``, ``title``, ``digits``) and ``rows``; ``set``, ``protocol``, ``command`` if stated."""

_BLOCK = re.compile(r"(<!-- table: (\S+) (\S+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def read_figures(model: str) -> dict[str, Table]:
    """Returns the tables of a shipped model, or of a measurement, by name.

    Raises:
        ValueError: The file has another version, or is another model's.
    """
    measurement = ROOT / "docs" / f"{model}{SUFFIX}"
    path = measurement if measurement.exists() else shipped("weights") / measurement.name
    record = json.loads(path.read_text("utf-8"))
    if record["version"] != VERSION or record["model"] != model:
        raise ValueError(f"{model}{SUFFIX} has version {record['version']} and is of {record['model']}.")
    tables: dict[str, Table] = record["tables"]
    return tables


def row(table: Table, identifier: str) -> dict[str, Any]:
    """Returns the row of a table with the given ``id``.

    Raises:
        KeyError: There is no such row.
    """
    rows: dict[str, dict[str, Any]] = {row["id"]: row for row in table["rows"]}
    return rows[identifier]


def cell(value: Any, digits: int = DIGITS) -> str:
    """Formats one value: a number, a text, a list of numbers, or a value with an interval."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return f"{value['value']:.{digits}f} ({value['low']:.2f} to {value['high']:.2f})"
    if isinstance(value, list):
        return " / ".join(cell(number, digits) for number in value)
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def _row_cell(row: dict[str, Any], column: dict[str, Any]) -> str:
    return cell(row[column["key"]], row.get("digits", column.get("digits", DIGITS)))


def render(table: Table) -> str:
    """Returns a table as Markdown, followed by its set, protocol and command."""
    columns = table["columns"]
    lines = [[column["title"] for column in columns], ["---"] * len(columns)]
    lines += [[_row_cell(row, column) for column in columns] for row in table["rows"]]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    notes = [f"*{key.capitalize()}:* {table[key]}." for key in ("set", "protocol") if key in table]
    if "command" in table:
        notes.append(f"*Command:* `{table['command']}`.")
    return text + ("\n\n" + " ".join(notes) if notes else "") + "\n"


def rendered(text: str) -> str:
    """Returns a document with all of its tables rendered anew.

    Raises:
        KeyError: The document names a table that the model's figures lack.
    """
    return _BLOCK.sub(lambda match: match[1] + render(read_figures(match[2])[match[3]]) + match[4], text)


def placed_tables(text: str) -> list[tuple[str, str]]:
    """Returns the model and the name of each table in a document."""
    return [(match[2], match[3]) for match in _BLOCK.finditer(text)]


def main(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if a table is not up to date.")
    ] = False,
) -> None:
    """Renders every table, or checks that they are up to date."""
    outdated = False
    for path in DOCUMENTS:
        text = path.read_text("utf-8")
        if (new := rendered(text)) == text:
            continue
        outdated = True
        typer.echo(f"{path.name} {'is not up to date' if check else 'is rendered'}", err=True)
        if not check:
            write_atomically(path, new.encode())
    raise typer.Exit(code=1 if check and outdated else 0)


if __name__ == "__main__":
    typer.run(main)
