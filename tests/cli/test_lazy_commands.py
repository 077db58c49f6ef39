from __future__ import annotations

import sys
from types import ModuleType

import pytest
import typer
from typer.testing import CliRunner

from sge.cli.lazy_commands import LazyCommand, LazyGroup
from sge.errors import MissingPackageError


def hello(name: str = "nobody") -> None:
    """Greets."""
    typer.echo(f"hello {name}")


@pytest.fixture
def group(monkeypatch):
    """An application of three commands; the module of the last one cannot be imported."""
    module = ModuleType("sge_greetings")
    module.hello = hello
    module.again = lambda name="you": typer.echo(f"hello there {name}")
    module.app = typer.Typer(no_args_is_help=True)
    module.app.command("again")(hello)
    module.app.command("once")(hello)
    monkeypatch.setitem(sys.modules, "sge_greetings", module)

    class Group(LazyGroup):
        table = (
            LazyCommand("hello", "sge_greetings", "hello", "Greets somebody."),
            LazyCommand("hello there", "sge_greetings", "again", "Greets somebody there."),
            LazyCommand("more", "sge_greetings", "app", "Greets more."),
            LazyCommand("gone", "no_such_module", "hello", "Cannot be imported.", extra="app"),
        )

    app = typer.Typer(cls=Group)

    @app.callback()
    def _about() -> None:
        """Greetings."""

    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_the_help_has_every_line_and_imports_nothing(group):
    result = group("--help")
    assert result.exit_code == 0
    for line in ("Greets somebody.", "Greets more.", "Cannot be imported."):
        assert line in result.stdout


def test_functions_and_groups_are_commands(group):
    assert group("hello", "--name", "you").stdout == "hello you\n"
    assert group("more", "again").stdout == "hello nobody\n"
    assert group("hello", "--nonsense").exit_code == 2
    assert group("more", "nonsense").exit_code == 2


def test_a_second_word_chooses_another_command(group):
    assert group("hello", "there").stdout == "hello there you\n"
    assert group("hello").stdout == "hello nobody\n"
    assert group("hello", "--name", "there").stdout == "hello there\n"
    assert group("hello", "./there").exit_code == 2, "an argument that this command does not take"
    assert "Greets somebody there." in group("--help").stdout


def test_a_missing_package_of_an_extra_is_named_with_the_command_that_installs_it(group):
    error = group("gone").exception
    assert isinstance(error, MissingPackageError)
    assert "no_such_module" in str(error)
    assert "pip install 'sge-lens[app]'" in str(error)


def test_a_missing_module_of_our_own_is_no_missing_package():
    with pytest.raises(ModuleNotFoundError):
        LazyCommand("x", "sge.no_such_module", "x", "X.", extra="app").load()
    with pytest.raises(ModuleNotFoundError):
        LazyCommand("x", "no_such_module", "x", "X.").load()
