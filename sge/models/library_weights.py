"""What timm and torchvision know of the weights of their networks: preprocessing, labels, and the file in their caches.

Nothing is downloaded. Files in the caches are read as every other weights file, without running code.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch

from sge.errors import CheckpointError
from sge.images import MAX_SIZE, Preprocess
from sge.models.architectures import ARCHITECTURES
from sge.models.described_detectors import is_detector, usual_preprocess
from sge.models.description import Description
from sge.models.libraries import arguments

_INTERPOLATIONS = ("bilinear", "bicubic")
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
_OTHER_SIZE = ("dynamic_img_size", "dynamic_img_pad", "img_size", "image_size", "input_size")
"""Arguments with which a network takes another size than usual, or every one."""
_INSIDE_SIZE = 512
"""Shorter side, in pixels, of images for detectors, which scale and normalize them inside."""


@dataclass(frozen=True)
class Known:
    """What a library states about one set of weights of a network."""

    preprocess: Preprocess
    labels: list[str] | None = None
    """Names of its classes; None where the library does not state them."""
    path: Path | None = None
    """The file in the library's cache; None if it is not there."""


def usual(description: Description) -> Known:
    """What the library states about the weights that it would take itself, or about those that its cache has.

    Args:
        description: Its name is one that the library lists.
    """
    if is_detector(description):
        return Known(usual_preprocess(description))
    if description.library == "sge":
        return Known(ARCHITECTURES[description.name].preprocess)
    known = _of_timm(description) if description.library == "timm" else _of_torchvision(description)
    return next((one for one in known if one.path is not None), known[0])


def cached(description: Description) -> Known:
    """The weights that the library has in its cache.

    Raises:
        CheckpointError: It has none.
    """
    known = usual(description)
    if known.path is None:
        fetch = {
            "timm": f"import timm; timm.create_model('{description.name}', pretrained=True)",
            "torchvision": "from torchvision.models import get_model; "
            f"get_model('{description.name}', weights='DEFAULT')",
        }.get(description.library)
        first = f", or let {description.library} fetch its own first: {fetch}" if fetch else ""
        raise CheckpointError(
            f"{description.arch} names no weights, and random weights show nothing. Name their file: "
            f"{description.arch}@FILE{first}."
        )
    return known


def _of_timm(description: Description) -> list[Known]:
    from timm.models import get_pretrained_cfg

    cfg: Any = get_pretrained_cfg(description.name)
    if cfg is None:
        return [Known(Preprocess())]
    preprocess = _timm_preprocess(cfg)
    if cfg.fixed_input_size:
        preprocess = _of_one_size(preprocess, description)
    return [Known(preprocess, None, None if cfg.custom_load else _timm_file(cfg))]


def _of_one_size(preprocess: Preprocess, description: Description) -> Preprocess:
    """States that the network takes its usual size alone, unless its arguments change that."""
    if any(name in description.kwargs for name in _OTHER_SIZE):
        return preprocess
    return replace(preprocess, fixed=(preprocess.size, preprocess.size))


def _timm_preprocess(cfg: Any) -> Preprocess:
    size = int(cfg.input_size[-1])
    if size > MAX_SIZE:
        return Preprocess()
    interpolation = cfg.interpolation if cfg.interpolation in _INTERPOLATIONS else "bicubic"
    return Preprocess(tuple(cfg.mean), tuple(cfg.std), int(size / (cfg.crop_pct or 1.0)), size, interpolation)


def _timm_file(cfg: Any) -> Path | None:
    if cfg.url and (path := _hub_file(str(cfg.url))):
        return path
    if not cfg.hf_hub_id:
        return None
    from huggingface_hub import try_to_load_from_cache

    repository, _, revision = str(cfg.hf_hub_id).partition("@")
    names = [cfg.hf_hub_filename] if getattr(cfg, "hf_hub_filename", None) else list(_HUB_FILES)
    found = (try_to_load_from_cache(repository, name, revision=revision or None) for name in names)
    return next((Path(path) for path in found if isinstance(path, str)), None)


def _hub_file(url: str) -> Path | None:
    """The file of an address in the cache of ``torch.hub``."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / os.path.basename(urlparse(url).path)
    return path if path.is_file() else None


def _of_torchvision(description: Description) -> list[Known]:
    from torchvision.models import get_model_weights

    kinds = get_model_weights(description.name)
    default = getattr(kinds, "DEFAULT", None)
    ordered = [] if default is None else [default, *(one for one in kinds if one is not default)]
    known = [
        Known(
            _torchvision_preprocess(one.transforms()),
            list(one.meta["categories"]) if "categories" in one.meta else None,
            _hub_file(one.url),
        )
        for one in ordered
    ]
    if {"image_size", "input_size"} & set(arguments("torchvision", description.name)):
        known = [replace(one, preprocess=_of_one_size(one.preprocess, description)) for one in known]
    return known or [Known(Preprocess())]


def _torchvision_preprocess(transforms: Any) -> Preprocess:
    if not hasattr(transforms, "mean"):  # Detectors normalize and scale their images inside.
        return Preprocess((0.0,) * 3, (1.0,) * 3, _INSIDE_SIZE, _INSIDE_SIZE)
    resize = int(transforms.resize_size[0])
    size = int(getattr(transforms, "crop_size", transforms.resize_size)[0])
    mode = transforms.interpolation.value
    return Preprocess(
        tuple(transforms.mean),
        tuple(transforms.std),
        resize,
        size,
        mode if mode in _INTERPOLATIONS else "bilinear",
    )
