"""Maps and geometry in, named positions out.

A part finder is a keypoint detector: a sparse linear readout of group similarity maps, one per part. This
package needs NumPy arrays only; it knows neither networks nor files of weights.
"""

from sge.parts.columns import BlockMaps, Maps
from sge.parts.detection import detect
from sge.parts.detector import (
    BY,
    SOURCES,
    BlockReadout,
    Calibration,
    Detector,
    Pair,
    check_sizes,
    detector_of,
)
from sge.parts.detector_calibration import calibrated_detector
from sge.parts.detector_fit import FIT_SIZES, RECIPES, fit_readouts
from sge.parts.evaluate import (
    WITHIN,
    PartEvaluation,
    Rate,
    best_group,
    evaluate_parts,
    few_shot_hit_rate,
    rate,
)
from sge.parts.face_evaluation import evaluate_faces
from sge.parts.face_scores import Scored, scored
from sge.parts.find import CLIP, clipped, maps_and_parts, peaks
from sge.parts.finder import PARTS, Finder, GroupWeight, Part, PartMap
from sge.parts.fit import (
    FOLDS,
    MAX_STRIDE,
    MIN_STRIDE,
    LabelledMaps,
    Points,
    fit_finder,
    fit_readout,
    labelled_maps,
)
from sge.parts.json_values import is_number
from sge.parts.labelled_faces import Face, FacesImage, check_points, for_fitting, read_faces, refuse_held
from sge.parts.labels import KEYS, LabelledImage, check_point, read_labels, without_parts
from sge.parts.pairs import confidences, offsets, pair_features
from sge.parts.resample import resampled
from sge.parts.scales import EPSILON, Candidate, PartLogits, block_logits, candidates, combined, standardized

__all__ = [
    "BY",
    "CLIP",
    "EPSILON",
    "FIT_SIZES",
    "FOLDS",
    "KEYS",
    "MAX_STRIDE",
    "MIN_STRIDE",
    "PARTS",
    "RECIPES",
    "SOURCES",
    "WITHIN",
    "BlockMaps",
    "BlockReadout",
    "Calibration",
    "Candidate",
    "Detector",
    "Face",
    "FacesImage",
    "Finder",
    "GroupWeight",
    "LabelledImage",
    "LabelledMaps",
    "Maps",
    "Pair",
    "Part",
    "PartEvaluation",
    "PartLogits",
    "PartMap",
    "Points",
    "Rate",
    "Scored",
    "best_group",
    "block_logits",
    "calibrated_detector",
    "candidates",
    "check_point",
    "check_points",
    "check_sizes",
    "clipped",
    "combined",
    "confidences",
    "detect",
    "detector_of",
    "evaluate_faces",
    "evaluate_parts",
    "few_shot_hit_rate",
    "fit_finder",
    "fit_readout",
    "fit_readouts",
    "for_fitting",
    "is_number",
    "labelled_maps",
    "maps_and_parts",
    "offsets",
    "pair_features",
    "peaks",
    "rate",
    "read_faces",
    "read_labels",
    "refuse_held",
    "resampled",
    "scored",
    "standardized",
    "without_parts",
]
