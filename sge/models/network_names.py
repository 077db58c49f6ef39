"""Reads texts that name a network of a library, with options and weights: ``LIBRARY:NAME?OPTIONS@FILE``."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from sge.errors import ChoiceError
from sge.models.description import LIBRARIES, Description, NamedNetwork, Value
from sge.models.names import name_of_file
from sge.models.wording import quoted
from sge.paths import model_dir, shipped
from sge.text import printable

_BEGINS = re.compile(rf"({'|'.join(LIBRARIES)}):(.*)", re.DOTALL)
_CHOICES = ("groups", "exact_groups")
"""Options of ``insert_sge``; ``where`` may be repeated."""
_FORM = "Write LIBRARY:NAME@FILE, such as timm:resnet50@weights.safetensors, with options as ?groups=32&where=layer4."


def named_network(
    text: str | os.PathLike[str], file: str | os.PathLike[str] | None = None
) -> NamedNetwork | None:
    """What a text names; None if it does not begin with a library and a colon.

    Args:
        text: ``LIBRARY:NAME``, then options ``?groups=32&where=layer4&where=layer3``, then ``@FILE``; the options may also
            stand last. ``groups``, ``where`` and ``exact_groups`` are those of ``insert_sge``; every other option is a
            keyword argument of the network, in JSON or as a word.
        file: The weights, of a text without ``@FILE``.

    Raises:
        ChoiceError: The text has another form, an option cannot be used, or two files are given.
    """
    found = _BEGINS.fullmatch(os.fspath(text))
    if found is None:
        return None
    library, rest = found.groups()
    head, at, inside = rest.partition("@")
    if at and not inside:
        raise ChoiceError(f"{quoted(str(text))} names no file after @. {_FORM}")
    if inside and file is not None:
        raise ChoiceError(f"{quoted(str(text))} names a file, and another is given. Give one of them.")
    name, question, options = head.partition("?")
    if inside and not question and not os.path.exists(inside):
        parts = inside.rsplit("?", 1)
        inside, options = parts[0], "".join(parts[1:])
    chosen = inside or file
    return NamedNetwork(_described(library, name, options), Path(chosen) if chosen else None)


_FILE_ENDINGS = (".safetensors", ".tar", ".pth", ".pt", ".ckpt", ".bin", ".onnx")


def model_name(source: str) -> str:
    """A model's name for clients: of a file only its stem, so that no path of a server becomes public.

    Args:
        source: What ``load_model`` takes.

    Raises:
        ChoiceError: As ``named_network``.
    """
    if (named := named_network(source)) is not None:
        return named.name
    is_file = os.sep in source or source.lower().endswith(_FILE_ENDINGS)
    return name_of_file(source) if is_file else source


def without_folders(sentence: str, source: str) -> str:
    """A sentence on a model for clients: files are named without their folders, so that no path of a server becomes public.

    Args:
        sentence: Of an error of ``load_model``.
        source: What was loaded.
    """
    file = source.partition("@")[2] if _BEGINS.fullmatch(source) else source
    folders = {str(model_dir()), str(shipped("weights")), os.path.dirname(file)}
    for folder in folders | {os.path.abspath(folder) for folder in folders if folder}:
        if folder.strip(os.sep):
            sentence = sentence.replace(f"{printable(folder)}{os.sep}", "")
    return sentence


def _described(library: str, name: str, options: str) -> Description:
    kwargs: dict[str, Value] = {}
    sites: list[str] = []
    chosen: dict[str, Any] = {}
    for option in filter(None, options.split("&")):
        key, equals, text = (unquote_plus(part) for part in option.partition("="))
        if not equals:
            raise ChoiceError(f"The option {quoted(option)} has no value. {_FORM}")
        if key == "where":
            sites += text.split(",")
        elif key in kwargs or key in chosen:
            raise ChoiceError(f"The option {quoted(key)} is given twice. {_FORM}")
        else:
            (chosen if key in _CHOICES else kwargs)[key] = _value(text)
    return Description(library, name, kwargs, tuple(sites) or None, **chosen)


def _value(text: str) -> Any:
    """A value in JSON, or the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
