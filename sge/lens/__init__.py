"""Where a model, an image and a part finder meet."""

from sge.lens.chosen_groups import ChosenGroups
from sge.lens.detector_fitting import check_finds, exhaustive, find_everything, fit_detectors
from sge.lens.fit import find_fit, fit_score, fit_scores, readout_inputs
from sge.lens.given_up import given_up_when
from sge.lens.labels import check_labels, find_target
from sge.lens.lens import Lens
from sge.lens.network_passes import network_logits
from sge.lens.notebook import widget
from sge.lens.part_fitting import Example, analyze_examples, find_parts, finder_of_maps, fit_parts
from sge.lens.probabilities import class_probabilities
from sge.lens.wanted import EVERYTHING, Wanted

__all__ = [
    "EVERYTHING",
    "ChosenGroups",
    "Example",
    "Lens",
    "Wanted",
    "analyze_examples",
    "check_finds",
    "check_labels",
    "class_probabilities",
    "exhaustive",
    "find_everything",
    "find_fit",
    "find_parts",
    "find_target",
    "finder_of_maps",
    "fit_detectors",
    "fit_parts",
    "fit_score",
    "fit_scores",
    "given_up_when",
    "network_logits",
    "readout_inputs",
    "widget",
]
