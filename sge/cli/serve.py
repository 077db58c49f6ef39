"""``sge serve``."""

from __future__ import annotations

import importlib
import os
from typing import Annotated

import typer


def serve(
    models: Annotated[str | None, typer.Option(help="Names or weights files, separated by commas.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 by default.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 8000 by default.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, ...")] = None,
) -> None:
    """Serve the page and the REST API. Every SGE_* setting counts; an option wins over it."""
    for name, value in {"MODELS": models, "HOST": host, "PORT": port, "DEVICE": device}.items():
        if value is not None:
            os.environ[f"SGE_{name}"] = str(value)
    # By name, because the service stands a storey above the command line and nothing here may lean on it.
    importlib.import_module("app.main").serve()
