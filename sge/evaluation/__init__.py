"""Accuracy, calibration, confusion and gate measurements over sets of images."""

from sge.evaluation.accuracy import Evaluation, LabelledPrediction, evaluate, predict_set
from sge.evaluation.calibration import require_torchmetrics
from sge.evaluation.confusion_plot import draw_confusion
from sge.evaluation.gates import best_single_group, flat_masks, mask_std, median_mask_std

__all__ = [
    "Evaluation",
    "LabelledPrediction",
    "best_single_group",
    "draw_confusion",
    "evaluate",
    "flat_masks",
    "mask_std",
    "median_mask_std",
    "predict_set",
    "require_torchmetrics",
]
