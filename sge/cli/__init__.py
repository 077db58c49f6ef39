"""The commands that a person runs; ``sge.__main__`` adds the service's and makes the ``sge`` command of them."""

from sge.cli.commands import LIBRARY_COMMANDS
from sge.cli.console import ResultsClosedError, discard_results, say
from sge.cli.lazy_commands import LazyCommand, LazyGroup

__all__ = [
    "LIBRARY_COMMANDS",
    "LazyCommand",
    "LazyGroup",
    "ResultsClosedError",
    "discard_results",
    "say",
]
