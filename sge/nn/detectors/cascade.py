"""The heads of Cascade R-CNN (Cai and Vasconcelos, CVPR 2018): three stages, each of which refines the last one's boxes.

As in mmdetection: boxes do not depend on the class, and scores are the mean over the three stages. Inference only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.ops import batched_nms, clip_boxes_to_image, remove_small_boxes

from sge.errors import UnsupportedNetworkError

WEIGHTS = ((10.0, 10.0, 5.0, 5.0), (20.0, 20.0, 10.0, 10.0), (30.0, 30.0, 15.0, 15.0))
"""Of the box coders: one over the standard deviations 0.1 and 0.2, 0.05 and 0.1, 0.033 and 0.067 of mmdetection."""
CHANNELS, POOLED, HIDDEN = 256, 7, 1024
MIN_SCORE, MAX_OVERLAP, MAX_BOXES = 0.05, 0.5, 100
MIN_SIDE = 1e-2
"""Smallest side of a box, in pixels; as torchvision."""


class Stage(nn.Module):
    """Scores and box deltas of the pooled features of each proposal."""

    def __init__(self, num_classes: int, weights: tuple[float, ...]) -> None:
        super().__init__()
        self.head = TwoMLPHead(CHANNELS * POOLED**2, HIDDEN)
        self.cls_score = nn.Linear(HIDDEN, num_classes)
        self.bbox_pred = nn.Linear(HIDDEN, 4)
        self.coder = BoxCoder(weights)

    def forward(self, pooled: Tensor, proposals: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Probabilities (R, classes) and refined boxes (R, 4) of R pooled proposals."""
        hidden = self.head(pooled)
        boxes: Tensor = self.coder.decode(self.bbox_pred(hidden), proposals)
        return self.cls_score(hidden).softmax(1), boxes.reshape(-1, 4)


class CascadeHeads(nn.Module):
    """In the place of torchvision's ``RoIHeads``.

    Args:
        box_roi_pool: torchvision's ``MultiScaleRoIAlign`` to 7 x 7.
        num_classes: Number of classes with the background, which is class 0.
    """

    def __init__(self, box_roi_pool: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.box_roi_pool = box_roi_pool
        self.stages = nn.ModuleList(Stage(num_classes, weights) for weights in WEIGHTS)

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: Any = None,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        """Boxes, labels and scores of each image, and no losses.

        Args:
            features: Level to its features, (N, 256, h, w).
            proposals: For each image (R, 4), corners in pixels.
            image_shapes: Height and width of each image in pixels.
            targets: None; there is no training.

        Raises:
            UnsupportedNetworkError: in training mode, or with targets.
        """
        if self.training or targets is not None:
            raise UnsupportedNetworkError(
                "Cascade R-CNN runs here and is not trained. Call network.eval(), and train it with mmdetection."
            )
        counts, total = [len(one) for one in proposals], torch.zeros(())
        for stage in self.stages:
            scores, boxes = stage(self.box_roi_pool(features, proposals, image_shapes), proposals)
            total = total.to(scores) + scores
            proposals = [
                clip_boxes_to_image(one, shape)
                for one, shape in zip(torch.split(boxes, counts), image_shapes, strict=True)
            ]
        means = torch.split(total / len(self.stages), counts)
        return [_chosen(*one) for one in zip(proposals, means, strict=True)], {}


def _chosen(boxes: Tensor, scores: Tensor) -> dict[str, Tensor]:
    """The best boxes of one image, each with every class whose score suffices, after suppression within each class."""
    row, label = (scores[:, 1:] > MIN_SCORE).nonzero(as_tuple=True)
    label = label + 1
    boxes, score = boxes[row], scores[row, label]
    kept = remove_small_boxes(boxes, MIN_SIDE)
    boxes, score, label = boxes[kept], score[kept], label[kept]
    kept = batched_nms(boxes, score, label, MAX_OVERLAP)[:MAX_BOXES]
    return {"boxes": boxes[kept], "labels": label[kept], "scores": score[kept]}
