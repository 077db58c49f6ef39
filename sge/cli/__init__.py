"""The commands that a person runs; ``sge.__main__`` lists them."""

from sge.cli.lazy_commands import LazyCommand, LazyGroup

__all__ = [
    "LazyCommand",
    "LazyGroup",
]
