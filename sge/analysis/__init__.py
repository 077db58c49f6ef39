"""What was computed of one image: data, drawings, records and files."""

from sge.analysis.analysis import Analysis
from sge.analysis.colors import GROUP_COLORS
from sge.analysis.contact_sheet import draw_contact_sheet
from sge.analysis.data import AnalysisData, BlockInfo, ImageInfo, ModelInfo, Prediction
from sge.analysis.files import to_bytes
from sge.analysis.overlay import draw_overlay
from sge.analysis.record import atlas_record

__all__ = [
    "GROUP_COLORS",
    "Analysis",
    "AnalysisData",
    "BlockInfo",
    "ImageInfo",
    "ModelInfo",
    "Prediction",
    "atlas_record",
    "draw_contact_sheet",
    "draw_overlay",
    "to_bytes",
]
