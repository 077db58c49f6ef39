"""Descriptions of networks: a library, a name in it, keyword arguments and where SGE goes. Reading one needs no torch.

A description stands for no code: it names a network that timm, torchvision or SGE Lens can build, with arguments that JSON
holds. In a weights file it is the metadata entry ``sge.description``; on the command line it is a text such as
``timm:resnet50?groups=32@weights.safetensors``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sge.errors import ChoiceError, check_choice, check_whole
from sge.models.names import name_of_file
from sge.models.wording import quoted, shown

LIBRARIES = ("timm", "torchvision", "sge")
"""Where networks come from; ``sge`` are the architectures of SGE Lens."""
VERSION = 1
"""Version of a description's record."""
DEFAULT_GROUPS = 64
MAX_ITEMS = 1000
"""Most sites, keyword arguments, and items of a list in a description."""
MAX_INTEGER = 100_000
"""Largest whole number in a keyword argument; a network with more layers or channels cannot be built."""
_NAME = re.compile(r"[A-Za-z0-9_]{1,80}(?:\.[A-Za-z0-9_]{1,80})?")
_KEYWORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,60}")
_TEXT = re.compile(r"[A-Za-z0-9_-]{0,60}")
_SITE = re.compile(r"[A-Za-z0-9_]{1,80}(?:\.[A-Za-z0-9_]{1,80}){0,40}")

Scalar = str | int | float | bool | None
Value = Scalar | list[Scalar]
"""What a keyword argument may be: a scalar of JSON, or a list of scalars."""


@dataclass(frozen=True)
class Description:
    """A network that a library builds by name, and the SGE modules that are inserted into it.

    Raises:
        ChoiceError: An unknown library, a name or site that is none, or an argument that is no scalar or list of scalars.
    """

    library: str
    """One of ``LIBRARIES``."""
    name: str
    """Name of the network there; of timm also with the tag of its weights, ``resnet50.a1_in1k``."""
    kwargs: dict[str, Value] = field(default_factory=dict)
    """Keyword arguments of the network's class, such as ``in_chans``."""
    sites: tuple[str, ...] | None = None
    """``where`` of ``insert_sge``; None for its own choice."""
    groups: int = DEFAULT_GROUPS
    """Largest number of groups of a block, as for ``insert_sge``."""
    exact_groups: bool = False
    gain: bool = True
    """Whether modules that no neighbouring layer compensates have a constant gain. False for those of other people's
    weights, which have none."""

    def __post_init__(self) -> None:
        check_choice("library", _text(self.library), LIBRARIES)
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ChoiceError(
                f"{quoted(_text(self.name))} is no name of a network. Use one that {self.library} lists, without paths."
            )
        object.__setattr__(self, "kwargs", _checked_kwargs(self.kwargs))
        object.__setattr__(self, "sites", _checked_sites(self.sites))
        if not 1 <= check_whole("groups", self.groups) <= MAX_INTEGER:
            raise ChoiceError(f"groups is {self.groups}; give a whole number from 1 to {MAX_INTEGER:,}.")
        for name in ("exact_groups", "gain"):
            if not isinstance(getattr(self, name), bool):
                raise ChoiceError(f"{name} is neither true nor false. Correct it.")

    @property
    def arch(self) -> str:
        """The network for people and files: ``timm:resnet50``."""
        return f"{self.library}:{self.name}"

    def to_record(self) -> dict[str, Any]:
        """Returns the versioned record that is stored in a file."""
        record: dict[str, Any] = {
            "version": VERSION,
            "library": self.library,
            "name": self.name,
            "kwargs": dict(self.kwargs),
            "sites": None if self.sites is None else list(self.sites),
            "groups": self.groups,
            "exact_groups": self.exact_groups,
        }
        return record if self.gain else record | {"gain": False}

    @classmethod
    def from_record(cls, record: object) -> Description:
        """Reads a record of anyone's file.

        Raises:
            ChoiceError: It is no description, or has a version or entries that are not known here.
        """
        if not isinstance(record, Mapping):
            raise ChoiceError("The description of the network is no record. Import the weights again.")
        values = {str(key): value for key, value in record.items()}
        if (version := values.pop("version", None)) != VERSION or isinstance(version, bool):
            raise ChoiceError(
                f"The description of the network has version {shown(str(version))}; known is {VERSION}. Install a newer SGE "
                "Lens, or import the weights again."
            )
        known = {"library", "name", "kwargs", "sites", "groups", "exact_groups", "gain"}
        if set(values) - known or not {"library", "name"} <= set(values):
            raise ChoiceError(
                "The description of the network needs library and name, and may have kwargs, sites, groups, "
                f"exact_groups and gain; it has {shown(', '.join(sorted(values)))}. Import the weights again."
            )
        return cls(**values)


def _checked_kwargs(kwargs: object) -> dict[str, Value]:
    if not isinstance(kwargs, Mapping) or len(kwargs) > MAX_ITEMS:
        raise ChoiceError("The arguments of the network are no record of names and values. Correct them.")
    checked: dict[str, Value] = {}
    for name, value in kwargs.items():
        if not isinstance(name, str) or not _KEYWORD.fullmatch(name):
            raise ChoiceError(f"{quoted(_text(name))} is no name of an argument. Leave it out.")
        items = value if isinstance(value, list | tuple) else [value]
        if len(items) > MAX_ITEMS or not all(map(_is_scalar, items)):
            raise ChoiceError(
                f"The argument {name} is {quoted(_text(value))}; numbers up to {MAX_INTEGER:,}, words, true, false, null "
                "and lists of these can be given. Leave it out, or give another value."
            )
        checked[name] = list(items) if isinstance(value, list | tuple) else items[0]
    return checked


def _is_scalar(value: object) -> bool:
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, str):
        return _TEXT.fullmatch(value) is not None
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) <= MAX_INTEGER


def _checked_sites(sites: object) -> tuple[str, ...] | None:
    if sites is None:
        return None
    names = [sites] if isinstance(sites, str) else sites
    if not isinstance(names, list | tuple) or not 0 < len(names) <= MAX_ITEMS:
        raise ChoiceError(
            "The sites of SGE are no list of names. Name modules of the network, such as layer4."
        )
    if odd := [name for name in names if not isinstance(name, str) or not _SITE.fullmatch(name)]:
        raise ChoiceError(
            f"{quoted(_text(odd[0]))} is no path of a module. Name modules of the network, such as layer4."
        )
    return tuple(dict.fromkeys(names))


def _text(value: object) -> str:
    return str(value)[:80]


def with_choices(
    description: Description, groups: int | None = None, where: str | Sequence[str] | None = None
) -> Description:
    """The description with what is given beside it.

    Raises:
        ChoiceError: As ``Description``.
    """
    if groups is not None:
        description = replace(description, groups=groups)
    if where is not None:
        description = replace(description, sites=_checked_sites(where))
    return description


@dataclass(frozen=True)
class NamedNetwork:
    """What a text such as ``timm:resnet50?groups=32@weights.safetensors`` names."""

    description: Description
    file: Path | None
    """The weights. None for those that the library has in its cache."""

    @property
    def name(self) -> str:
        """Name of the model for clients: the file's without its ending, so that no path of a server becomes public."""
        return self.description.name if self.file is None else name_of_file(self.file)
