"""Maps and geometry in, named positions out.

A part finder is a keypoint detector: a sparse linear readout of group similarity maps, one per part. This
package needs NumPy arrays only; it knows neither networks nor files of weights.
"""

from sge.parts.detect import detect
from sge.parts.detector import BY, SOURCES, BlockReadout, Calibration, Detector, Pair, detector_of
from sge.parts.evaluate import (
    WITHIN,
    PartEvaluation,
    Rate,
    best_group,
    evaluate_parts,
    few_shot_hit_rate,
    rate,
)
from sge.parts.find import CLIP, maps_and_parts, peaks
from sge.parts.finder import PARTS, Finder, GroupWeight, Part, PartMap
from sge.parts.fit import FOLDS, LabelledMaps, Points, fit_finder, fit_readout, labelled_maps
from sge.parts.labels import KEYS, LabelledImage, read_labels, without_parts
from sge.parts.pairs import confidences, offsets, pair_features
from sge.parts.resample import resampled
from sge.parts.scales import EPSILON, Candidate, PartLogits, block_logits, candidates, combined, standardized

__all__ = [
    "BY",
    "CLIP",
    "EPSILON",
    "FOLDS",
    "KEYS",
    "PARTS",
    "SOURCES",
    "WITHIN",
    "BlockReadout",
    "Calibration",
    "Candidate",
    "Detector",
    "Finder",
    "GroupWeight",
    "LabelledImage",
    "LabelledMaps",
    "Pair",
    "Part",
    "PartEvaluation",
    "PartLogits",
    "PartMap",
    "Points",
    "Rate",
    "best_group",
    "block_logits",
    "candidates",
    "combined",
    "confidences",
    "detect",
    "detector_of",
    "evaluate_parts",
    "few_shot_hit_rate",
    "fit_finder",
    "fit_readout",
    "labelled_maps",
    "maps_and_parts",
    "offsets",
    "pair_features",
    "peaks",
    "rate",
    "read_labels",
    "resampled",
    "standardized",
    "without_parts",
]
