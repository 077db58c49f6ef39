"""Accuracy, calibration, confusion, gates and faithfulness of maps over sets of images."""

from sge.evaluation.accuracy import Evaluation, LabelledPrediction, evaluate, predict_set
from sge.evaluation.calibration import require_torchmetrics
from sge.evaluation.confusion_plot import draw_confusion
from sge.evaluation.faithfulness import measure_faithfulness
from sge.evaluation.faithfulness_result import RANDOMIZED, Faithfulness, Method
from sge.evaluation.gate_accuracy import FlatBlock, GateAccuracy, measure_gates
from sge.evaluation.gates import best_single_group, flat_masks, mask_std, median_mask_std
from sge.evaluation.image_figures import Protocol
from sge.evaluation.intervals import Interval, mean_interval
from sge.evaluation.pointing import read_boxes

__all__ = [
    "RANDOMIZED",
    "Evaluation",
    "Faithfulness",
    "FlatBlock",
    "GateAccuracy",
    "Interval",
    "LabelledPrediction",
    "Method",
    "Protocol",
    "best_single_group",
    "draw_confusion",
    "evaluate",
    "flat_masks",
    "mask_std",
    "mean_interval",
    "measure_faithfulness",
    "measure_gates",
    "median_mask_std",
    "predict_set",
    "read_boxes",
    "require_torchmetrics",
]
