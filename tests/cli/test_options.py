from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from sge.cli.options import AsJson, DeviceOption, FramingChoice, FramingOption, ModelOption, Paths, TopK
from sge.images.framing import FRAMINGS


@pytest.fixture
def command():
    """A command with every shared option; it prints what it was given."""
    app = typer.Typer()

    @app.command()
    def show(
        paths: Paths,
        model: ModelOption = "m",
        framing: FramingOption = FramingChoice.WHOLE,
        top_k: TopK = 5,
        device: DeviceOption = "auto",
        as_json: AsJson = False,
    ) -> None:
        typer.echo([paths, model, framing.value, top_k, device, as_json])

    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_the_choices_are_the_framings_of_the_library():
    assert tuple(choice.value for choice in FramingChoice) == FRAMINGS


def test_the_options_have_the_same_names_in_every_command(command):
    given = ["--model", "x", "--framing", "center", "--top-k", "2", "--device", "cpu", "--json"]
    assert command("a", "b", *given).stdout == "[['a', 'b'], 'x', 'center', 2, 'cpu', True]\n"
    assert command("a").stdout == "[['a'], 'm', 'whole', 5, 'auto', False]\n"


@pytest.mark.parametrize("arguments", [(), ("a", "--top-k", "0"), ("a", "--framing", "sideways")])
def test_wrong_values_are_usage_errors(command, arguments):
    assert command(*arguments).exit_code == 2
