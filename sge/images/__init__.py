"""Image bytes to network input, and mask cells back to pixels."""

from sge.images.decode_scale import jpeg_scale
from sge.images.decoding import MAX_PIXELS, DecodedImage, Source, decode
from sge.images.facts import ImageFacts
from sge.images.file_kinds import FORMATS, FORMATS_TEXT, accepted_format, is_heic
from sge.images.framing import (
    FRAMINGS,
    LUMA,
    MIN_SIZE,
    Frame,
    center_crop,
    frame,
    frame_pixels,
    input_size,
    normalize,
    pixel_statistics,
    resize,
    whole_size,
)
from sge.images.geometry import Box, Geometry
from sge.images.opening import open_formats
from sge.images.preprocess import MAX_SIZE, Preprocess
from sge.images.scaling import scaled, scaled_frame, scaled_size, scaled_sizes
from sge.images.structure import Structure, inspect
from sge.images.tally import StructureLimits

__all__ = [
    "FORMATS",
    "FORMATS_TEXT",
    "FRAMINGS",
    "LUMA",
    "MAX_PIXELS",
    "MAX_SIZE",
    "MIN_SIZE",
    "Box",
    "DecodedImage",
    "Frame",
    "Geometry",
    "ImageFacts",
    "Preprocess",
    "Source",
    "Structure",
    "StructureLimits",
    "accepted_format",
    "center_crop",
    "decode",
    "frame",
    "frame_pixels",
    "input_size",
    "inspect",
    "is_heic",
    "jpeg_scale",
    "normalize",
    "open_formats",
    "pixel_statistics",
    "resize",
    "scaled",
    "scaled_frame",
    "scaled_size",
    "scaled_sizes",
    "whole_size",
]
