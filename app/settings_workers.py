"""The settings of the worker processes, and of what an image may cost."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

MEBIBYTE = 1024 * 1024


class WorkerSettings(BaseSettings):
    """How many processes decode and draw, and what one image may use there."""

    workers: int = Field(default=2, ge=1, le=256, description="processes that decode and draw images")
    image_cpu_s: float = Field(
        default=10.0,
        ge=1,
        le=86_400,
        allow_inf_nan=False,
        description="longest one image may be decoded or drawn, seconds of computing",
    )
    image_wall_s: float = Field(
        default=20.0,
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        description="longest one image may be decoded or drawn, seconds on the clock",
    )
    image_memory: int = Field(
        default=1536 * MEBIBYTE,
        ge=64 * MEBIBYTE,
        description="largest memory for decoding or drawing one image, bytes",
    )
    max_side: int = Field(default=65_535, ge=1, description="longest side of an image, pixels")
    max_segments: int = Field(
        default=20_000,
        ge=1,
        description="most segments of a JPEG, chunks of a PNG or WebP, blocks of a GIF, boxes and items of an AVIF",
    )
    max_data_blocks: int = Field(
        default=300_000, ge=1, description="most data blocks (of up to 255 bytes) of a GIF"
    )
    max_frames: int = Field(
        default=10_000, ge=1, description="most frames of an animation, of which the first is decoded"
    )
    max_scan_pixels: int = Field(
        default=1_000_000_000,
        ge=1,
        description="most scans x pixels of a progressive JPEG or interlaced PNG, pixels",
    )
    max_metadata: int = Field(
        default=16 * MEBIBYTE, ge=0, description="most EXIF, profiles, XMP and texts of an image, bytes"
    )
    jpeg_draft: bool = Field(
        default=False,
        description="whether JPEGs of at least four times the network's sides are decoded at 1/2, 1/4 or 1/8; logits then "
        "differ by 3 to 4 % of their norm, at most 6 %",
    )
