"""The paper's detectors, with weights that the user brings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from sge.models.checkpoint import load_state, read_weights
from sge.models.described_detectors import ANCHORS
from sge.nn import build_detector, from_mmdetection, is_mmdetection

if TYPE_CHECKING:
    from torch import nn


def sge_detector(
    kind: str,
    depth: int = 50,
    num_classes: int = 81,
    weights: str | os.PathLike[str] | Mapping[str, Tensor] | None = None,
    *,
    size: int = 800,
) -> nn.Module:
    """Faster, Mask or Cascade R-CNN on an SGE-ResNet with FPN, as in the paper (sec. 5.2).

    ``Lens(Model("detector", sge_detector("faster_rcnn", weights="file.pth"), labels))`` shows its boxes and the masks of its
    backbone. There are no weights to download; without ``weights`` they are random.

    Args:
        kind: ``faster_rcnn``, ``mask_rcnn`` or ``cascade_rcnn``. Cascade R-CNN cannot be trained here.
        depth: Of the SGE-ResNet; the paper has 50 and 101.
        num_classes: Number of classes with the background, which is class 0: 81 for COCO.
        weights: A file or a state dict, with the names of mmdetection (any version) or those of this network.
        size: Shorter side of the images inside of the network, in pixels.

    Raises:
        ChoiceError: an unknown kind, or a number of classes below 2.
        UnsupportedNetworkError: an unknown depth.
        CheckpointError: the file cannot be read, or holds the weights of another network; the sentence says what differs.
    """
    network = build_detector(kind, depth, num_classes, size)
    if weights is None:
        return network
    state = dict(weights) if isinstance(weights, Mapping) else read_weights(weights, anchors=ANCHORS).state
    load_state(network, from_mmdetection(state, kind) if is_mmdetection(state) else state, kind)
    return network
