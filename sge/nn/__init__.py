"""The SGE module and the networks that carry it: tensors in, tensors out."""

from sge.nn.errors import GroupsError, OrderError, SGEError, ShapeError, UnsupportedNetworkError
from sge.nn.fold import apply_orders
from sge.nn.insert import insert_sge
from sge.nn.module import SpatialGate, SpatialGroupEnhance, group_similarity
from sge.nn.regroup import channel_orders, regroup
from sge.nn.resnet import ATTENTIONS, SGE_RESNETS

__all__ = [
    "ATTENTIONS",
    "SGE_RESNETS",
    "GroupsError",
    "OrderError",
    "SGEError",
    "ShapeError",
    "SpatialGate",
    "SpatialGroupEnhance",
    "UnsupportedNetworkError",
    "apply_orders",
    "channel_orders",
    "group_similarity",
    "insert_sge",
    "regroup",
]
