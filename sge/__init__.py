"""SGE Lens: see what an attention network looks at."""

from sge.analysis import Analysis, BlockInfo, Part, PartMap, Prediction, Share
from sge.awaken import awaken
from sge.capture import MaskCapture
from sge.errors import SGEError
from sge.finder import Finder
from sge.fit_parts import Example, fit_parts
from sge.lens import Lens
from sge.model import Card, Model
from sge.nn import SpatialGroupEnhance, insert_sge, regroup
from sge.parts import find_parts
from sge.recipe import Recipe
from sge.registry import import_weights, load_model

__version__ = "0.1.0"

__all__ = [
    "Analysis",
    "BlockInfo",
    "Card",
    "Example",
    "Finder",
    "Lens",
    "MaskCapture",
    "Model",
    "Part",
    "PartMap",
    "Prediction",
    "Recipe",
    "SGEError",
    "Share",
    "SpatialGroupEnhance",
    "__version__",
    "awaken",
    "find_parts",
    "fit_parts",
    "import_weights",
    "insert_sge",
    "load_model",
    "regroup",
]
