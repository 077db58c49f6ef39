"""The SGE module, networks that have it, and what reads and permutes them: tensors in, tensors out."""

from sge.nn.attention import ConvolutionalBlockAttention
from sge.nn.blocks import (
    SGEBlock,
    block_formula,
    block_module,
    gate_parameters,
    inactive_groups,
    own_sge_blocks,
    require_spatial_blocks,
    sge_blocks,
    spatial_blocks,
)
from sge.nn.capture import Capture
from sge.nn.conventions import (
    OwnInput,
    object_classes,
    only_input,
    own_input,
    own_labels,
    resizing_path,
    wrapped_network,
)
from sge.nn.convert import convert_sge
from sge.nn.detectors import DETECTORS, build_detector, from_mmdetection, is_mmdetection
from sge.nn.folding import FoldedViews
from sge.nn.foreign import ForeignSGE, foreign_sge
from sge.nn.foreign_maps import ForeignMap, foreign_map, foreign_report, routed
from sge.nn.formula import Formula
from sge.nn.hooks import TemporaryHook
from sge.nn.insertion.insert import insert_sge, without_gain
from sge.nn.intervention import edit_masks, edit_outputs
from sge.nn.mask_capture import MaskCapture
from sge.nn.memory_format import fast_format
from sge.nn.modes import eval_mode
from sge.nn.module import SpatialGate, SpatialGroupEnhance, group_similarity, standardize_maps
from sge.nn.outputs import Adapter, Output
from sge.nn.permutation.permute import IDENTITY_PERMUTATION, permutation_digest, permute_channels
from sge.nn.permutation.regroup import channel_permutations, regroup
from sge.nn.readouts import channel_readout, readout
from sge.nn.resnet import ATTENTIONS, DEPTHS, NEIGHBOURS, SGE_RESNETS, build_resnet
from sge.nn.views import eval_view

__all__ = [
    "ATTENTIONS",
    "DEPTHS",
    "DETECTORS",
    "IDENTITY_PERMUTATION",
    "NEIGHBOURS",
    "SGE_RESNETS",
    "Adapter",
    "Capture",
    "ConvolutionalBlockAttention",
    "FoldedViews",
    "ForeignMap",
    "ForeignSGE",
    "Formula",
    "MaskCapture",
    "Output",
    "OwnInput",
    "SGEBlock",
    "SpatialGate",
    "SpatialGroupEnhance",
    "TemporaryHook",
    "block_formula",
    "block_module",
    "build_detector",
    "build_resnet",
    "channel_permutations",
    "channel_readout",
    "convert_sge",
    "edit_masks",
    "edit_outputs",
    "eval_mode",
    "eval_view",
    "fast_format",
    "foreign_map",
    "foreign_report",
    "foreign_sge",
    "from_mmdetection",
    "gate_parameters",
    "group_similarity",
    "inactive_groups",
    "insert_sge",
    "is_mmdetection",
    "object_classes",
    "only_input",
    "own_input",
    "own_labels",
    "own_sge_blocks",
    "permutation_digest",
    "permute_channels",
    "readout",
    "regroup",
    "require_spatial_blocks",
    "resizing_path",
    "routed",
    "sge_blocks",
    "spatial_blocks",
    "standardize_maps",
    "without_gain",
    "wrapped_network",
]
