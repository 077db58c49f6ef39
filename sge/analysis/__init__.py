"""What was computed of one image: data, drawings, records and files."""

from sge.analysis.analysis import Analysis
from sge.analysis.colors import GROUP_COLORS
from sge.analysis.contact_sheet import draw_contact_sheet
from sge.analysis.data import AnalysisData, BlockInfo, ImageInfo, ModelInfo
from sge.analysis.effect import METHODS, MODES, Ablation, Attribution, GradCam, Groups, GroupSteps
from sge.analysis.files import to_bytes
from sge.analysis.overlay import draw_overlay
from sge.analysis.prediction import Prediction
from sge.analysis.record import atlas_record

__all__ = [
    "GROUP_COLORS",
    "METHODS",
    "MODES",
    "Ablation",
    "Analysis",
    "AnalysisData",
    "Attribution",
    "BlockInfo",
    "GradCam",
    "GroupSteps",
    "Groups",
    "ImageInfo",
    "ModelInfo",
    "Prediction",
    "atlas_record",
    "draw_contact_sheet",
    "draw_overlay",
    "to_bytes",
]
