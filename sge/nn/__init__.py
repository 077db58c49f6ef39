"""The SGE module and the networks that carry it: tensors in, tensors out."""

from sge.nn.errors import GroupsError, SGEError, ShapeError, UnsupportedNetworkError
from sge.nn.insert import insert_sge
from sge.nn.module import SpatialGate, SpatialGroupEnhance, group_similarity
from sge.nn.resnet import SGE_RESNETS

__all__ = [
    "SGE_RESNETS",
    "GroupsError",
    "SGEError",
    "ShapeError",
    "SpatialGate",
    "SpatialGroupEnhance",
    "UnsupportedNetworkError",
    "group_similarity",
    "insert_sge",
]
