"""The ``sge`` command."""

from __future__ import annotations

import typer

from sge.cli import serve

app = typer.Typer(help="See what an attention network looks at.", no_args_is_help=True, add_completion=False)
app.command("serve")(serve.serve)


@app.callback()
def _root() -> None:
    pass


def main() -> None:
    """Entry point."""
    app()
