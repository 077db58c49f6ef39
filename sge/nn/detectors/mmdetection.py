"""Weights with mmdetection's names, for the detectors of this package.

mmdetection 2 and 3 begin the names of the heads with ``roi_head.`` and count the background as the last class; version 1 and
those before it have no such beginning, and count it first, as torchvision does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from sge.errors import CheckpointError

_SHARED = (
    (r"backbone\.(.+)", r"backbone.body.\1"),
    (r"neck\.lateral_convs\.(\d)\.conv\.(weight|bias)", r"backbone.fpn.inner_blocks.\1.0.\2"),
    (r"neck\.fpn_convs\.(\d)\.conv\.(weight|bias)", r"backbone.fpn.layer_blocks.\1.0.\2"),
    (r"rpn_head\.rpn_conv\.(weight|bias)", r"rpn.head.conv.0.0.\1"),
    (r"rpn_head\.rpn_cls\.(weight|bias)", r"rpn.head.cls_logits.\1"),
    (r"rpn_head\.rpn_reg\.(weight|bias)", r"rpn.head.bbox_pred.\1"),
)
_BOXES = (
    (r"bbox_head\.shared_fcs\.0\.(weight|bias)", r"roi_heads.box_head.fc6.\1"),
    (r"bbox_head\.shared_fcs\.1\.(weight|bias)", r"roi_heads.box_head.fc7.\1"),
    (r"bbox_head\.fc_cls\.(weight|bias)", r"roi_heads.box_predictor.cls_score.\1"),
    (r"bbox_head\.fc_reg\.(weight|bias)", r"roi_heads.box_predictor.bbox_pred.\1"),
)
_MASKS = (
    (r"mask_head\.convs\.(\d)\.conv\.(weight|bias)", r"roi_heads.mask_head.\1.0.\2"),
    (r"mask_head\.upsample\.(weight|bias)", r"roi_heads.mask_predictor.conv5_mask.\1"),
    (r"mask_head\.conv_logits\.(weight|bias)", r"roi_heads.mask_predictor.mask_fcn_logits.\1"),
)
_STAGES = (
    (r"bbox_head\.([012])\.shared_fcs\.0\.(weight|bias)", r"roi_heads.stages.\1.head.fc6.\2"),
    (r"bbox_head\.([012])\.shared_fcs\.1\.(weight|bias)", r"roi_heads.stages.\1.head.fc7.\2"),
    (r"bbox_head\.([012])\.fc_cls\.(weight|bias)", r"roi_heads.stages.\1.cls_score.\2"),
    (r"bbox_head\.([012])\.fc_reg\.(weight|bias)", r"roi_heads.stages.\1.bbox_pred.\2"),
)
_NAMES = {
    "faster_rcnn": _SHARED + _BOXES,
    "mask_rcnn": _SHARED + _BOXES + _MASKS,
    "cascade_rcnn": _SHARED + _STAGES,
}
_NEW = "roi_head."


def from_mmdetection(state: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    """The same weights with this package's names, and the background as class 0.

    Args:
        state: mmdetection's state dict.
        kind: One of ``DETECTORS``.

    Raises:
        CheckpointError: a name that such a detector does not have.
    """
    found, unknown = {}, []
    for key, tensor in state.items():
        is_new = key.startswith(_NEW)
        name = _renamed(key.removeprefix(_NEW), kind)
        if name is None:
            unknown.append(key)
        else:
            found[name] = _background_first(name, tensor) if is_new else tensor
    if unknown:
        raise CheckpointError(
            f"These are no weights of mmdetection's {kind} on a ResNet with FPN: it has no {', '.join(unknown[:3])}"
            f"{' and others' if len(unknown) > 3 else ''}. Give the weights of such a detector (names backbone.*, neck.*, "
            f"rpn_head.*, roi_head.* or bbox_head.*), or another kind: {', '.join(_NAMES)}."
        )
    return found


def is_mmdetection(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict has mmdetection's names."""
    return any(key.startswith(("neck.", "rpn_head.", "roi_head.", "bbox_head.")) for key in state)


def _renamed(key: str, kind: str) -> str | None:
    for pattern, name in _NAMES[kind]:
        if match := re.fullmatch(pattern, key):
            return match.expand(name)
    return None


def _background_first(name: str, tensor: Tensor) -> Tensor:
    """Moves the background's row of scores to the front; boxes and masks get rows of zeros for it, which are not used."""
    if ".cls_score." in name:
        return tensor.roll(1, 0)
    if ".box_predictor.bbox_pred." in name:
        return torch.cat([torch.zeros_like(tensor[:4]), tensor])
    if ".mask_fcn_logits." in name:
        return torch.cat([torch.zeros_like(tensor[:1]), tensor])
    return tensor
