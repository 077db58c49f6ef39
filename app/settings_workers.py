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
