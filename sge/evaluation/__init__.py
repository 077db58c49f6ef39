"""Accuracy, calibration, confusion and gate measurements over sets of images."""

from sge.evaluation.accuracy import Evaluation, LabelledPrediction, evaluate, predict_set

__all__ = ["Evaluation", "LabelledPrediction", "evaluate", "predict_set"]
