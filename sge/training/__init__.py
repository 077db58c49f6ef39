"""Trains networks on labelled images, and tunes the gates of pretrained networks without labels; one trainer does both."""

from sge.training.dataset import TrainingSet
from sge.training.distributed import distributed_context
from sge.training.events import EpochEvent, StepEvent
from sge.training.gate_tuning import tune_gates
from sge.training.gate_tuning_config import GateTuningConfig
from sge.training.mask_losses import openness
from sge.training.presets import PRESETS
from sge.training.regrouping import regroup
from sge.training.request import TrainingRequest
from sge.training.run import Callbacks, train
from sge.training.synthetic import make_shapes_dataset

__all__ = [
    "PRESETS",
    "Callbacks",
    "EpochEvent",
    "GateTuningConfig",
    "StepEvent",
    "TrainingRequest",
    "TrainingSet",
    "distributed_context",
    "make_shapes_dataset",
    "openness",
    "regroup",
    "train",
    "tune_gates",
]
