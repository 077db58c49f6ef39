"""What was computed of one image: data, drawings, records and files."""

from sge.analysis.analysis import Analysis
from sge.analysis.atlas import MapsRecord, atlas_record, cells_record
from sge.analysis.box import Box
from sge.analysis.colors import GROUP_COLORS
from sge.analysis.contact_sheet import draw_contact_sheet
from sge.analysis.data import (
    SIGNALS,
    AnalysisData,
    BlockInfo,
    ImageInfo,
    ModelInfo,
    opening_block,
    opening_signal,
)
from sge.analysis.deflate import GZIP, deflated, deflating, has_isal
from sge.analysis.effect import METHODS, MODES, Ablation, Attribution, GradCam, Groups, GroupSteps
from sge.analysis.effect_record import attribution_record, steps_record
from sge.analysis.effect_report import ClassEffect, ablation_report, class_effects
from sge.analysis.embedded import embedded_report
from sge.analysis.files import to_bytes
from sge.analysis.finite_json import json_text
from sge.analysis.fit import Classification, Fit
from sge.analysis.group_choice import check_group, choose_groups, parse_numbers
from sge.analysis.npz import npz_file
from sge.analysis.overlay import draw_overlay
from sge.analysis.own_files import SOFTWARE, is_record
from sge.analysis.packing import MEDIA_TYPE as ATLAS_MEDIA_TYPE
from sge.analysis.packing import json_body, pack_atlases, unpack_atlases
from sge.analysis.part_words import UNSURE
from sge.analysis.prediction import Prediction
from sge.analysis.preview import EncodedImage, encode_image
from sge.analysis.record import to_record, with_blocks
from sge.analysis.report import html_report

__all__ = [
    "ATLAS_MEDIA_TYPE",
    "GROUP_COLORS",
    "GZIP",
    "METHODS",
    "MODES",
    "SIGNALS",
    "SOFTWARE",
    "UNSURE",
    "Ablation",
    "Analysis",
    "AnalysisData",
    "Attribution",
    "BlockInfo",
    "Box",
    "ClassEffect",
    "Classification",
    "EncodedImage",
    "Fit",
    "GradCam",
    "GroupSteps",
    "Groups",
    "ImageInfo",
    "MapsRecord",
    "ModelInfo",
    "Prediction",
    "ablation_report",
    "atlas_record",
    "attribution_record",
    "cells_record",
    "check_group",
    "choose_groups",
    "class_effects",
    "deflated",
    "deflating",
    "draw_contact_sheet",
    "draw_overlay",
    "embedded_report",
    "encode_image",
    "has_isal",
    "html_report",
    "is_record",
    "json_body",
    "json_text",
    "npz_file",
    "opening_block",
    "opening_signal",
    "pack_atlases",
    "parse_numbers",
    "steps_record",
    "to_bytes",
    "to_record",
    "unpack_atlases",
    "with_blocks",
]
