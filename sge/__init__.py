"""SGE Lens: see what an attention network looks at.

The names in ``__all__`` are the public API. Each is imported from its package when it is first used (PEP 562), so that
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
    GivenUpError,
    GroupsError,
    ImageError,
    ImageNotFoundError,
    ImageTooCostlyError,
    MissingPackageError,
    NonFiniteError,
    OutputError,
    PermutationError,
    SGEError,
    ShapeError,
    TooManyPixelsError,
    TrainingError,
    UnknownBlockError,
    UnknownCellError,
    UnknownGroupError,
    UnknownModelError,
    UnsupportedBackendError,
    UnsupportedFormatError,
    UnsupportedNetworkError,
)

if TYPE_CHECKING:
    from sge.analysis import Ablation, Analysis, Attribution, BlockInfo, Box, GradCam, GroupSteps, Prediction
    from sge.images import DecodedImage, Frame, Preprocess, decode, frame
    from sge.lens import Example, Lens, Wanted, find_parts, fit_parts, widget
    from sge.models import (
        Card,
        ExportedModel,
        Model,
        export_onnx,
        import_weights,
        load_model,
        sge_detector,
    )
    from sge.nn import MaskCapture, SpatialGroupEnhance, convert_sge, foreign_report, insert_sge
    from sge.parts import Finder, GroupWeight, Part, PartMap
    from sge.training import GateTuningConfig, regroup, tune_gates

__version__ = "0.2.0"

# The same names as above, for the running program; tests/test_import.py compares the two lists.
_MODULES = {
    "sge.analysis": (
        "Ablation",
        "Analysis",
        "Attribution",
        "BlockInfo",
        "Box",
        "GradCam",
        "GroupSteps",
        "Prediction",
    ),
    "sge.images": ("DecodedImage", "Frame", "Preprocess", "decode", "frame"),
    "sge.lens": ("Example", "Lens", "Wanted", "find_parts", "fit_parts", "widget"),
    "sge.models": (
        "Card",
        "ExportedModel",
        "Model",
        "export_onnx",
        "import_weights",
        "load_model",
        "sge_detector",
    ),
    "sge.nn": (
        "MaskCapture",
        "SpatialGroupEnhance",
        "convert_sge",
        "foreign_report",
        "insert_sge",
    ),
    "sge.parts": ("Finder", "GroupWeight", "Part", "PartMap"),
    "sge.training": ("GateTuningConfig", "regroup", "tune_gates"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Ablation",
    "Analysis",
    "AnalysisFileError",
    "Attribution",
    "BlockInfo",
    "Box",
    "BrokenImageError",
    "CaptureError",
    "Card",
    "CheckpointError",
    "ChoiceError",
    "DataError",
    "DecodedImage",
    "DownloadError",
    "Example",
    "ExportedModel",
    "Finder",
    "FinderError",
    "Frame",
    "GateTuningConfig",
    "GivenUpError",
    "GradCam",
    "GroupSteps",
    "GroupWeight",
    "GroupsError",
    "ImageError",
    "ImageNotFoundError",
    "ImageTooCostlyError",
    "Lens",
    "MaskCapture",
    "MissingPackageError",
    "Model",
    "NonFiniteError",
    "OutputError",
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
    "UnsupportedBackendError",
    "UnsupportedFormatError",
    "UnsupportedNetworkError",
    "Wanted",
    "__version__",
    "convert_sge",
    "decode",
    "export_onnx",
    "find_parts",
    "fit_parts",
    "foreign_report",
    "frame",
    "import_weights",
    "insert_sge",
    "load_model",
    "regroup",
    "sge_detector",
    "tune_gates",
    "widget",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'sge' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
