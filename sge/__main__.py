"""The composition root: the ``sge`` command, made of the library's commands and the service's.

This is the only module that knows both the command line and the service. The service is the folder ``app`` beside
``sge`` in a checkout; a wheel holds it as ``sge._app``, so that the wheel installs a single top-level package.
"""

from __future__ import annotations

import io
import sys
import warnings
from pathlib import Path
from typing import Any

import typer

from sge.cli import LIBRARY_COMMANDS, LazyCommand, LazyGroup, ResultsClosedError, discard_results, say
from sge.errors import OutputError, SGEError

SERVICE = "sge._app" if (Path(__file__).resolve().parent / "_app").is_dir() else "app"

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells give it: 128 and the number of the signal."""

COMMANDS = (
    LazyCommand("serve", f"{SERVICE}.command", "serve", "Serve the page and the REST API.", extra="app"),
    *LIBRARY_COMMANDS,
)


class _Commands(LazyGroup):
    table = COMMANDS

    def invoke(self, ctx: Any) -> Any:
        """Runs a command; Ctrl-C and a closed pipe end it with a sentence, or in silence, and an exit status."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("Stopped by Ctrl-C. Files that were complete are kept, and none is half written.")
            raise typer.Exit(INTERRUPTED) from None
        except (ResultsClosedError, BrokenPipeError):
            discard_results()
            raise typer.Exit(0) from None
        except MemoryError as error:
            raise SGEError(
                "There is not enough memory. Give fewer or smaller images, or a smaller --batch."
            ) from error
        except SGEError:
            raise
        except OSError as error:
            named = f"{error.filename}: " if error.filename else ""
            raise OutputError(
                f"{named}{error.strerror or type(error).__name__}. Check the path, its permissions and the free space."
            ) from error


app = typer.Typer(cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _sge() -> None:
    """See what an attention network looks at."""


def main() -> None:
    """Runs the command line; an error that a user can cause is a sentence on stderr and exit code 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None if whoever started the command has closed it
            stream.reconfigure(errors="backslashreplace")
    if not sys.warnoptions:
        # Of other libraries; what a user needs to know is a note of ours.
        warnings.simplefilter("ignore")
    try:
        app(prog_name="sge")
    except SGEError as error:
        say(f"error: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
