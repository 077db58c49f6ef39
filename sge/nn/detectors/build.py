"""Faster, Mask and Cascade R-CNN on an SGE-ResNet with FPN (SGE paper, sec. 5.2), of torchvision's modules.

Numbers are those of mmdetection's configurations: anchors of 8 strides in three shapes, 1,000 proposals, boxes of a score
above 0.05, suppression at 0.5, 100 boxes an image. torchvision's RoIAlign samples 2 x 2 points of each bin, without the
half pixel of mmdetection 2, and its corners are continuous, where mmdetection 1 counts whole pixels; so boxes of converted
weights may differ by about a pixel from mmdetection's own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.models.detection.rpn import AnchorGenerator

from sge.errors import ChoiceError, check_choice, check_whole
from sge.nn.detectors.cascade import CascadeHeads
from sge.nn.resnet import build_resnet

DETECTORS = ("faster_rcnn", "mask_rcnn", "cascade_rcnn")
STRIDES = (4, 8, 16, 32, 64)
"""Of the levels of the FPN."""
SCALE = 8
"""Side of a square anchor, in strides."""
RATIOS = (0.5, 1.0, 2.0)
"""Height over width of the anchors."""


def build_detector(
    kind: str,
    depth: int = 50,
    num_classes: int = 81,
    size: int = 800,
    max_size: int = 1333,
    groups: int = 64,
) -> nn.Module:
    """A detector with random weights.

    It takes images of any size with values of 0 to 1, and normalizes and resizes them itself.

    Args:
        kind: One of ``DETECTORS``.
        depth: Of the SGE-ResNet: 18, 34, 50, 101 or 152. The paper has 50 and 101.
        num_classes: Number of classes with the background, which is class 0.
        size: Shorter side of the images inside of the network, in pixels.
        max_size: Largest longer side, in pixels.
        groups: Of each SGE module.

    Raises:
        ChoiceError: an unknown kind, fewer than two classes, or a size below 1.
        UnsupportedNetworkError: an unknown depth.
        GroupsError: ``groups`` does not divide the channels of a block.
    """
    check_choice("kind", kind, DETECTORS)
    if check_whole("num_classes", num_classes) < 2:
        raise ChoiceError(f"num_classes is {num_classes}; give 2 or more: the background and one class.")
    if check_whole("size", size) < 1:
        raise ChoiceError(f"size is {size}; give the shorter side of the images in pixels, such as 800.")
    backbone = _resnet_fpn_extractor(build_resnet(depth, groups=groups), 5)
    made: Any = (MaskRCNN if kind == "mask_rcnn" else FasterRCNN)(
        backbone,
        num_classes,
        min_size=size,
        max_size=max_size,
        rpn_anchor_generator=_anchors(),
    )
    if kind == "cascade_rcnn":
        made.roi_heads = CascadeHeads(made.roi_heads.box_roi_pool, num_classes)
    network: nn.Module = made
    return network.eval()


def _anchors() -> AnchorGenerator:
    made = AnchorGenerator(tuple((SCALE * stride,) for stride in STRIDES), (RATIOS,) * len(STRIDES))
    made.cell_anchors = [_cell(SCALE * stride) for stride in STRIDES]
    return made


def _cell(side: float) -> Tensor:
    """Corners of the anchors of one position; torchvision rounds them, mmdetection does not."""
    tall = torch.tensor(RATIOS, device="cpu").sqrt()
    halves = side / 2 * torch.stack([1 / tall, tall], 1)
    return torch.cat([-halves, halves], 1)
