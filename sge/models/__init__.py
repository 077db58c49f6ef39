"""Weights on disk to a model: checkpoints, deltas, exported files, cards, and the registry.

Each name is imported from its module when it is first used (PEP 562), so that exported models can be loaded without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sge.models.architectures import State
    from sge.models.card import CARD_VERSION, Card
    from sge.models.checkpoint import digest, read_weights, write_weights
    from sge.models.delta import Delta, as_changes, difference, write_delta
    from sge.models.description import Description
    from sge.models.detectors import sge_detector
    from sge.models.download import DOWNLOADS, NOTICE, download_model
    from sge.models.efficientnet_lite import LITE0_PREPROCESS, base_weights, load_base
    from sge.models.export import existing_export, export_onnx, exported_file
    from sge.models.exported_model import RANGE, ExportedBlock, ExportedModel, part_output, square_side
    from sge.models.importing import import_weights, imported_notes
    from sge.models.labels import imagenet_labels, required_labels
    from sge.models.libraries import build
    from sge.models.model import Model
    from sge.models.names import (
        DEFAULT_MODEL,
        DELTA_SUFFIX,
        DOGS_MODEL,
        LITE0,
        ORIGINAL_MODEL,
        PETS_MODEL,
        TUNED_MODEL,
    )
    from sge.models.network_names import model_name, named_network, without_folders
    from sge.models.none_fits import FIT_SCORES, READOUT, NoneFits
    from sge.models.onnx_files import is_exported
    from sge.models.onnx_graph import reduced
    from sge.models.part_reader import PartReader
    from sge.models.pretrained import PRETRAINED_ARCH, PretrainedModel
    from sge.models.registry import (
        CARD_SUFFIX,
        EXPORTED_SUFFIX,
        check_name,
        entries,
        load_model,
        load_torch_model,
        model_names,
        pretrained_model,
        shipped_entries,
        verify_model,
    )
    from sge.models.registry_entries import Entry
    from sge.models.safetensors_files import is_own_file
    from sge.models.stated import GivenPreprocess, Labels

# The same names as above, for the running program; tests/models/test_lazy_names.py compares the two lists.
_MODULES = {
    "sge.models.architectures": ("State",),
    "sge.models.card": (
        "CARD_VERSION",
        "Card",
    ),
    "sge.models.checkpoint": (
        "digest",
        "read_weights",
        "write_weights",
    ),
    "sge.models.delta": (
        "Delta",
        "as_changes",
        "difference",
        "write_delta",
    ),
    "sge.models.description": ("Description",),
    "sge.models.detectors": ("sge_detector",),
    "sge.models.download": (
        "DOWNLOADS",
        "NOTICE",
        "download_model",
    ),
    "sge.models.efficientnet_lite": (
        "LITE0_PREPROCESS",
        "base_weights",
        "load_base",
    ),
    "sge.models.export": (
        "existing_export",
        "export_onnx",
        "exported_file",
    ),
    "sge.models.onnx_files": ("is_exported",),
    "sge.models.exported_model": (
        "RANGE",
        "ExportedBlock",
        "ExportedModel",
        "part_output",
        "square_side",
    ),
    "sge.models.importing": (
        "import_weights",
        "imported_notes",
    ),
    "sge.models.labels": ("imagenet_labels", "required_labels"),
    "sge.models.libraries": ("build",),
    "sge.models.model": ("Model",),
    "sge.models.names": (
        "DEFAULT_MODEL",
        "DELTA_SUFFIX",
        "DOGS_MODEL",
        "LITE0",
        "ORIGINAL_MODEL",
        "PETS_MODEL",
        "TUNED_MODEL",
    ),
    "sge.models.network_names": (
        "model_name",
        "named_network",
        "without_folders",
    ),
    "sge.models.none_fits": (
        "FIT_SCORES",
        "READOUT",
        "NoneFits",
    ),
    "sge.models.onnx_graph": ("reduced",),
    "sge.models.part_reader": ("PartReader",),
    "sge.models.pretrained": (
        "PRETRAINED_ARCH",
        "PretrainedModel",
    ),
    "sge.models.registry": (
        "CARD_SUFFIX",
        "EXPORTED_SUFFIX",
        "check_name",
        "entries",
        "load_model",
        "load_torch_model",
        "model_names",
        "pretrained_model",
        "shipped_entries",
        "verify_model",
    ),
    "sge.models.registry_entries": ("Entry",),
    "sge.models.safetensors_files": ("is_own_file",),
    "sge.models.stated": (
        "GivenPreprocess",
        "Labels",
    ),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "CARD_SUFFIX",
    "CARD_VERSION",
    "DEFAULT_MODEL",
    "DELTA_SUFFIX",
    "DOGS_MODEL",
    "DOWNLOADS",
    "EXPORTED_SUFFIX",
    "FIT_SCORES",
    "LITE0",
    "LITE0_PREPROCESS",
    "NOTICE",
    "ORIGINAL_MODEL",
    "PETS_MODEL",
    "PRETRAINED_ARCH",
    "RANGE",
    "READOUT",
    "TUNED_MODEL",
    "Card",
    "Delta",
    "Description",
    "Entry",
    "ExportedBlock",
    "ExportedModel",
    "GivenPreprocess",
    "Labels",
    "Model",
    "NoneFits",
    "PartReader",
    "PretrainedModel",
    "State",
    "as_changes",
    "base_weights",
    "build",
    "check_name",
    "difference",
    "digest",
    "download_model",
    "entries",
    "existing_export",
    "export_onnx",
    "exported_file",
    "imagenet_labels",
    "import_weights",
    "imported_notes",
    "is_exported",
    "is_own_file",
    "load_base",
    "load_model",
    "load_torch_model",
    "model_name",
    "model_names",
    "named_network",
    "part_output",
    "pretrained_model",
    "read_weights",
    "reduced",
    "required_labels",
    "sge_detector",
    "shipped_entries",
    "square_side",
    "verify_model",
    "without_folders",
    "write_delta",
    "write_weights",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'sge.models' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value
