"""The SGE module and the networks that carry it: tensors in, tensors out."""

from sge.errors import GroupsError, PermutationError, SGEError, ShapeError, UnsupportedNetworkError
from sge.nn.insertion.insert import insert_sge
from sge.nn.module import SpatialGate, SpatialGroupEnhance, group_similarity
from sge.nn.permutation.permute import permute_channels
from sge.nn.permutation.regroup import channel_permutations, regroup
from sge.nn.resnet import ATTENTIONS, SGE_RESNETS

__all__ = [
    "ATTENTIONS",
    "SGE_RESNETS",
    "GroupsError",
    "PermutationError",
    "SGEError",
    "ShapeError",
    "SpatialGate",
    "SpatialGroupEnhance",
    "UnsupportedNetworkError",
    "channel_permutations",
    "group_similarity",
    "insert_sge",
    "permute_channels",
    "regroup",
]
