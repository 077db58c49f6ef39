"""A command group that imports a command's module only when that command is invoked."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from sge.errors import MissingPackageError

OUR_PACKAGES = ("sge", "app")


@dataclass(frozen=True)
class LazyCommand:
    """Where a command is implemented.

    Args:
        name: What a person types after ``sge``: one word, or two, where the first is a command of its own.
        module: Imported when the command is invoked.
        attribute: A function of that module, or a ``typer.Typer`` with commands of its own.
        help: One line for ``sge --help``, which imports no command's module.
        extra: The optional dependencies (``pip install 'sge-lens[extra]'``) that the module imports.
    """

    name: str
    module: str
    attribute: str
    help: str
    extra: str | None = None

    def load(self) -> Any:
        """The command itself.

        Raises:
            MissingPackageError: A package of ``extra`` is not installed.
        """
        try:
            target = getattr(importlib.import_module(self.module), self.attribute)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if self.extra is None or missing in OUR_PACKAGES:
                raise
            raise MissingPackageError(
                f"sge {self.name} needs the package {missing}, which is not installed. "
                f"Install it: pip install 'sge-lens[{self.extra}]'."
            ) from error
        if isinstance(target, typer.Typer):
            return typer.main.get_command(target)
        alone = typer.Typer(add_completion=False)
        alone.command(self.name)(target)
        return typer.main.get_command(alone)


class LazyGroup(TyperGroup):
    """Lists the commands of ``table`` with their one-line help, and imports the one that is invoked."""

    table: Sequence[LazyCommand] = ()

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Placeholders with name and help are enough for --help and for suggestions after a typing error.
        self.commands = {
            command.name: TyperCommand(command.name, help=command.help) for command in self.table
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The imported command and its arguments; an unknown name is a usage error.

        A second word that makes the name of another command chooses that one: ``eval gates`` before ``eval``. A folder
        of the same name is meant by ``./gates``.
        """
        name, _, rest = super().resolve_command(ctx, args)
        if rest and f"{name} {rest[0]}" in self.commands:
            name, rest = f"{name} {rest[0]}", rest[1:]
        return name, next(command for command in self.table if command.name == name).load(), rest
