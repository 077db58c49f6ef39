"""``sge serve``."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from pydantic import ValidationError

from .server import run
from .settings import Settings, explain


def serve(
    models: Annotated[
        str | None,
        typer.Option(
            help="Names, weights files or networks (timm:resnet50@FILE), separated by commas; the first is the default."
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 by default.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 8000 by default.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = None,
) -> None:
    """Serve the page and the REST API. Settings come from SGE_* variables; an option overrides its variable."""
    options: dict[str, Any] = {"models": models, "host": host, "port": port, "device": device}
    try:
        settings = Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        for sentence in explain(error):
            typer.echo(f"error: {sentence}", err=True)
        raise typer.Exit(2) from None
    run(settings)
