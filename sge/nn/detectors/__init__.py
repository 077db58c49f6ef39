"""The paper's detectors: torchvision's, on SGE-ResNets with FPN."""

from sge.nn.detectors.build import DETECTORS, build_detector
from sge.nn.detectors.mmdetection import from_mmdetection, is_mmdetection

__all__ = ["DETECTORS", "build_detector", "from_mmdetection", "is_mmdetection"]
