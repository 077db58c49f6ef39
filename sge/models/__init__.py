"""Weights on disk to a model: checkpoints, deltas, cards, and the registry."""

from sge.models.architectures import State
from sge.models.checkpoint import digest, read_weights, write_weights
from sge.models.delta import DELTA_SUFFIX, Delta, difference, write_delta
from sge.models.download import DOWNLOADS, NOTICE, download_model
from sge.models.efficientnet_lite import LITE0_PREPROCESS, base_weights, load_base
from sge.models.export import export_onnx, exported_file
from sge.models.exported_model import ExportedBlock, ExportedModel
from sge.models.importing import import_weights, imported_notes
from sge.models.labels import imagenet_labels
from sge.models.model import CARD_VERSION, Card, Model
from sge.models.names import DEFAULT_MODEL, DOGS_MODEL, LITE0, ORIGINAL_MODEL, TUNED_MODEL
from sge.models.none_fits import FIT_SCORES, NoneFits
from sge.models.onnx_graph import reduced
from sge.models.pretrained import PRETRAINED_ARCH, PretrainedModel
from sge.models.registry import (
    CARD_SUFFIX,
    check_name,
    entries,
    load_model,
    model_names,
    pretrained_model,
    shipped_entries,
    verify_model,
)
from sge.models.registry_entries import Entry
from sge.models.safetensors_files import is_own_file
from sge.models.stated import GivenPreprocess, Labels

__all__ = [
    "CARD_SUFFIX",
    "CARD_VERSION",
    "DEFAULT_MODEL",
    "DELTA_SUFFIX",
    "DOGS_MODEL",
    "DOWNLOADS",
    "FIT_SCORES",
    "LITE0",
    "LITE0_PREPROCESS",
    "NOTICE",
    "ORIGINAL_MODEL",
    "PRETRAINED_ARCH",
    "TUNED_MODEL",
    "Card",
    "Delta",
    "Entry",
    "ExportedBlock",
    "ExportedModel",
    "GivenPreprocess",
    "Labels",
    "Model",
    "NoneFits",
    "PretrainedModel",
    "State",
    "base_weights",
    "check_name",
    "difference",
    "digest",
    "download_model",
    "entries",
    "export_onnx",
    "exported_file",
    "imagenet_labels",
    "import_weights",
    "imported_notes",
    "is_own_file",
    "load_base",
    "load_model",
    "model_names",
    "pretrained_model",
    "read_weights",
    "reduced",
    "shipped_entries",
    "verify_model",
    "write_delta",
    "write_weights",
]
