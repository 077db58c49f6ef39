"""SGE Lens: see what an attention network looks at."""

from sge.analysis import Analysis, BlockInfo, Part, Prediction
from sge.capture import MaskCapture
from sge.errors import SGEError
from sge.lens import Lens
from sge.model import Card, Model
from sge.nn import SpatialGroupEnhance, insert_sge, regroup
from sge.registry import import_weights, load_model

__version__ = "0.1.0"

__all__ = [
    "Analysis",
    "BlockInfo",
    "Card",
    "Lens",
    "MaskCapture",
    "Model",
    "Part",
    "Prediction",
    "SGEError",
    "SpatialGroupEnhance",
    "__version__",
    "import_weights",
    "insert_sge",
    "load_model",
    "regroup",
]
