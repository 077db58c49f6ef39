"""SGE Lens: see what an attention network looks at."""

from sge.analysis.analysis import Analysis
from sge.analysis.data import BlockInfo, Prediction
from sge.errors import SGEError
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

__all__ = [
    "Analysis",
    "BlockInfo",
    "Card",
    "Example",
    "Finder",
    "GateTuningConfig",
    "GroupWeight",
    "Lens",
    "MaskCapture",
    "Model",
    "Part",
    "PartMap",
    "Prediction",
    "SGEError",
    "SpatialGroupEnhance",
    "__version__",
    "find_parts",
    "fit_parts",
    "import_weights",
    "insert_sge",
    "load_model",
    "regroup",
    "tune_gates",
]
