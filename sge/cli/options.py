"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, TypeVar

import typer

from sge.cli.console import say
from sge.errors import ChoiceError
from sge.lens import Lens
from sge.models import ExportedModel, Model, load_model, load_torch_model


class FramingChoice(StrEnum):
    """How an image becomes network input."""

    WHOLE = "whole"
    CENTER = "center"


Paths = Annotated[
    list[str], typer.Argument(help="Images, folders, quoted globs, or - for an image on standard input.")
]
ModelOption = Annotated[
    str, typer.Option("--model", help="A model's name or weights file, or timm:NAME@FILE.")
]
FramingOption = Annotated[
    FramingChoice, typer.Option("--framing", help="The whole image, or its center square.")
]
TopK = Annotated[int, typer.Option("--top-k", min=1, help="Number of classes.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")]
AnyModel = TypeVar("AnyModel", bound=Model | ExportedModel)
BackendOption = Annotated[
    str,
    typer.Option(
        "--backend",
        help="auto, torch, onnxruntime, openvino. auto: ONNX Runtime for an exported model, and torch for every other.",
    ),
]
PartsBy = Annotated[
    Literal["mix", "groups"],
    typer.Option(
        "--parts-by", "--by", help="Noses and eyes: read groups and single channels (mix), or groups alone."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")]


def loaded_model(name: str, *, finder: bool = True) -> Model | ExportedModel:
    """Loads a model, and says on stderr what its card notes: what was assumed or left out when it was imported.

    Raises:
        SGEError: as ``load_model``.
    """
    return _with_notes(name, load_model(name, finder=finder))


def loaded_torch_model(name: str, *, finder: bool = True) -> Model:
    """``loaded_model`` for a command that needs the network itself.

    Raises:
        ChoiceError: The model is an exported file, which has no network.
    """
    return _with_notes(name, load_torch_model(name, finder=finder))


def _with_notes(name: str, model: AnyModel) -> AnyModel:
    for note in model.card.notes:
        say(f"{name}: {note}")
    return model


def class_index(lens: Lens, name: str, option: str = "--target") -> int:
    """Index of the class that an option names, by label, synonym or index.

    Raises:
        typer.BadParameter: no such class; the message names labels that are close.
    """
    try:
        return lens.find_target(name)
    except ChoiceError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
