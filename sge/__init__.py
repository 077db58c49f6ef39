"""SGE Lens: see what an attention network looks at.

The names in ``__all__`` are the public API. Each is imported from its module when it is first used (PEP 562), so that
``import sge`` costs milliseconds and does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sge.errors import (
    AnalysisFileError,
    BrokenImageError,
    CaptureError,
    CheckpointError,
    ChoiceError,
    DataError,
    DownloadError,
    FinderError,
    GroupsError,
    ImageError,
    ImageNotFoundError,
    MissingPackageError,
    PermutationError,
    SGEError,
    ShapeError,
    TooManyPixelsError,
    TrainingError,
    UnknownBlockError,
    UnknownCellError,
    UnknownGroupError,
    UnknownModelError,
    UnsupportedFormatError,
    UnsupportedNetworkError,
)

if TYPE_CHECKING:
    from sge.analysis.analysis import Analysis
    from sge.analysis.data import BlockInfo, Prediction
    from sge.images.decoding import DecodedImage, decode
    from sge.images.framing import Frame, Preprocess, frame
    from sge.lens.lens import Lens
    from sge.lens.part_fitting import Example, find_parts, fit_parts
    from sge.models.importing import import_weights
    from sge.models.model import Card, Model
    from sge.models.registry import load_model
    from sge.nn import SpatialGroupEnhance, insert_sge, regroup
    from sge.nn.capture import MaskCapture
    from sge.parts.finder import Finder, GroupWeight, Part, PartMap
    from sge.training.gate_tuning import tune_gates
    from sge.training.gate_tuning_config import GateTuningConfig

__version__ = "0.2.0"

# The same names as above, for the running program; tests/test_import.py compares the two lists.
_MODULES = {
    "sge.analysis.analysis": ("Analysis",),
    "sge.analysis.data": ("BlockInfo", "Prediction"),
    "sge.images.decoding": ("DecodedImage", "decode"),
    "sge.images.framing": ("Frame", "Preprocess", "frame"),
    "sge.lens.lens": ("Lens",),
    "sge.lens.part_fitting": ("Example", "find_parts", "fit_parts"),
    "sge.models.importing": ("import_weights",),
    "sge.models.model": ("Card", "Model"),
    "sge.models.registry": ("load_model",),
    "sge.nn": ("SpatialGroupEnhance", "insert_sge", "regroup"),
    "sge.nn.capture": ("MaskCapture",),
    "sge.parts.finder": ("Finder", "GroupWeight", "Part", "PartMap"),
    "sge.training.gate_tuning": ("tune_gates",),
    "sge.training.gate_tuning_config": ("GateTuningConfig",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Analysis",
    "AnalysisFileError",
    "BlockInfo",
    "BrokenImageError",
    "CaptureError",
    "Card",
    "CheckpointError",
    "ChoiceError",
    "DataError",
    "DecodedImage",
    "DownloadError",
    "Example",
    "Finder",
    "FinderError",
    "Frame",
    "GateTuningConfig",
    "GroupWeight",
    "GroupsError",
    "ImageError",
    "ImageNotFoundError",
    "Lens",
    "MaskCapture",
    "MissingPackageError",
    "Model",
    "Part",
    "PartMap",
    "PermutationError",
    "Prediction",
    "Preprocess",
    "SGEError",
    "ShapeError",
    "SpatialGroupEnhance",
    "TooManyPixelsError",
    "TrainingError",
    "UnknownBlockError",
    "UnknownCellError",
    "UnknownGroupError",
    "UnknownModelError",
    "UnsupportedFormatError",
    "UnsupportedNetworkError",
    "__version__",
    "decode",
    "find_parts",
    "fit_parts",
    "frame",
    "import_weights",
    "insert_sge",
    "load_model",
    "regroup",
    "tune_gates",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'sge' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
