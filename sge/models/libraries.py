"""Builds networks of timm, torchvision and SGE Lens by the names that these list, without weights."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, partial
from typing import Any

import torch
from torch import nn

from sge.errors import ChoiceError, SGEError
from sge.models.architectures import ARCHITECTURES
from sge.models.described_detectors import ARGUMENTS, make_detector
from sge.models.description import Description
from sge.models.size_budget import MAX_NUMBERS, TooLargeError, check_computed, without_memory
from sge.models.wording import quoted, shown
from sge.nn import DETECTORS, insert_sge, spatial_blocks, without_gain

_LOADS = ("pretrained", "weights", "checkpoint", "cache", "progress", "url", "path", "file", "hub")
"""Beginnings and ends of the names of arguments by which libraries fetch or open files."""
_NOT_OFFERED = {"self", "args", "kwargs", "device", "dtype", "block", "backbone", "groups"}
_OTHER_MODULES = ("quantization.", "video.", "optical_flow.")
"""Modules of torchvision whose networks take no images, or have no weights in floating point."""


@dataclass(frozen=True)
class Library:
    """How networks of one library are found and built."""

    has: Callable[[str], bool]
    names: Callable[[], list[str]]
    make: Callable[..., nn.Module]
    """``make(name, **kwargs)`` returns the network with random weights."""


def build(description: Description) -> nn.Module:
    """Builds the network with random weights and inserts SGE with inactive gates.

    Raises:
        ChoiceError: The library has no network of that name, or the network takes other arguments.
        UnsupportedNetworkError, GroupsError: SGE cannot be inserted; see ``insert_sge``.
        MissingPackageError: The library is not installed.
    """
    return with_sge(built(description), description)


def _timm_has(name: str) -> bool:
    import timm

    base, _, tag = name.partition(".")
    return bool(timm.is_model(base)) and (not tag or tag in _timm_tags(base))


def _timm_tags(name: str) -> list[str]:
    import timm

    return [full.partition(".")[2] for full in timm.list_pretrained(f"{name}.*")]


def _timm_names() -> list[str]:
    import timm

    return list(timm.list_models())


def _timm_make(name: str, **kwargs: Any) -> nn.Module:
    import timm

    network: nn.Module = timm.create_model(name, pretrained=False, **kwargs)
    return network


def _torchvision_names() -> list[str]:
    from torchvision.models import list_models

    return [name for name in list_models() if not _torchvision_module(name).startswith(_OTHER_MODULES)]


def _torchvision_module(name: str) -> str:
    """The module of a network below ``torchvision.models``."""
    from torchvision.models import get_model_builder

    return str(get_model_builder(name).__module__).removeprefix("torchvision.models.")


def _torchvision_make(name: str, **kwargs: Any) -> nn.Module:
    from torchvision.models import get_model, get_model_builder

    if "weights_backbone" in inspect.signature(get_model_builder(name)).parameters:
        kwargs["weights_backbone"] = None  # which would be downloaded
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # on the initial weights, which are replaced
        network: nn.Module = get_model(name, weights=None, **kwargs)
    return network


def _sge_names() -> list[str]:
    return [*ARCHITECTURES, *DETECTORS]


def _sge_make(name: str, **kwargs: Any) -> nn.Module:
    return make_detector(name, **kwargs) if name in DETECTORS else ARCHITECTURES[name].build(**kwargs)


_LIBRARIES = {
    "timm": Library(_timm_has, _timm_names, _timm_make),
    "torchvision": Library(lambda name: name in _torchvision_names(), _torchvision_names, _torchvision_make),
    "sge": Library(lambda name: name in _sge_names(), _sge_names, _sge_make),
}


def outline(description: Description) -> nn.Module:
    """The network without SGE and without memory for its large tensors, in eval mode; its state dict has all shapes.

    Raises:
        ChoiceError: The library has no network of that name, the network takes other arguments, or it is too large.
    """
    check_name(description)
    _check_arguments(description)
    return _made(description, _outlined).eval()


def _outlined(make: Callable[[], nn.Module]) -> nn.Module:
    network = without_memory(make)
    check_computed(network)
    return network


def built(description: Description) -> nn.Module:
    """The network without SGE, with random weights, in eval mode. torch's random numbers go on as if it were not built.

    Raises:
        ChoiceError: As ``outline``, which is asked first.
    """
    outline(description)
    with torch.random.fork_rng(devices=[]):
        return _made(description, lambda make: make()).eval()


def with_sge(network: nn.Module, description: Description) -> nn.Module:
    """Inserts SGE as described; a network that has blocks with maps keeps them, unless sites are named.

    Raises:
        UnsupportedNetworkError, GroupsError: See ``insert_sge``.
    """
    if description.sites is None and spatial_blocks(network):
        return network
    insert_sge(network, description.groups, description.sites, exact_groups=description.exact_groups)
    return (network if description.gain else without_gain(network)).eval()


def check_name(description: Description) -> None:
    """Checks that the library lists the network.

    Raises:
        ChoiceError: It does not; the sentence names networks with similar names.
    """
    library, name = _LIBRARIES[description.library], description.name
    if library.has(name):
        return
    base, _, tag = name.partition(".")
    if tag and description.library == "timm" and library.has(base):
        tags = ", ".join(f"{base}.{other}" for other in _timm_tags(base)) or f"only {base}"
        raise ChoiceError(f"timm has no weights {shown(name)}; there are: {shown(tags)}. Choose one.")
    near = get_close_matches(base.lower(), library.names(), 3, 0.5)
    if description.library == "torchvision" and name in _every_torchvision_name():
        raise ChoiceError(
            f"torchvision's {name} is for films, pairs of images or whole numbers, and cannot be used here. Choose a "
            "network for images."
        )
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ChoiceError(f"{description.library} has no network {quoted(name)}.{hint} Choose one that it lists.")


def _every_torchvision_name() -> list[str]:
    from torchvision.models import list_models

    return list(list_models())


def _check_arguments(description: Description) -> None:
    if not description.kwargs:
        return
    accepted = arguments(description.library, description.name)
    for name in description.kwargs:
        if name.startswith(_LOADS) or name.endswith(_LOADS):
            raise ChoiceError(
                f"The argument {name} opens or fetches files, which a description may not. Name the weights after @, or "
                "give their file."
            )
        if name not in accepted:
            near = get_close_matches(name, accepted, 3, 0.6)
            hint = f"Did you mean {' or '.join(near)}?" if near else f"It takes {', '.join(accepted)}."
            raise ChoiceError(f"{description.arch} has no argument {name}. {hint}")


@cache
def arguments(library: str, name: str) -> tuple[str, ...]:
    """Names of the keyword arguments of a network's class."""
    if library == "sge":
        return ARGUMENTS if name in DETECTORS else ("num_classes",)
    kind = type(_made(Description(library, name), without_memory))
    accepted = [key for key in _parameters(kind) if key not in _NOT_OFFERED]
    return tuple(key for key in accepted if not key.startswith(_LOADS) and not key.endswith(_LOADS))


def _parameters(kind: type) -> list[str]:
    """Names of a class's arguments, and of those of its bases to which it passes what it does not know itself."""
    names: dict[str, None] = {}
    for one in kind.__mro__[: kind.__mro__.index(nn.Module)]:
        if "__init__" in vars(one):
            parameters = inspect.signature(one).parameters
            names |= dict.fromkeys(parameters)
            if all(each.kind is not each.VAR_KEYWORD for each in parameters.values()):
                break
    return list(names)


def _made(description: Description, how: Callable[[Callable[[], nn.Module]], nn.Module]) -> nn.Module:
    """Calls the library, whose errors on arguments become sentences."""
    kwargs: dict[str, Any] = dict(description.kwargs)
    if description.library == "sge":
        kwargs["groups"] = description.groups
    make = partial(_LIBRARIES[description.library].make, description.name, **kwargs)
    try:
        return how(make)
    except SGEError:
        raise
    except TooLargeError as error:
        raise ChoiceError(
            f"{description.arch} with these arguments has more than {MAX_NUMBERS:,} numbers, or too many layers. Choose "
            "smaller ones."
        ) from error
    except Exception as error:  # A library may raise anything on an argument that it does not know.
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ChoiceError(
            f"{description.arch} cannot be built with these arguments ({shown(first)}). Correct them, or leave them out."
        ) from error
