"""The settings of the engine: what is admitted, and what computes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

MEBIBYTE = 1024 * 1024


class EngineSettings(BaseSettings):
    """How much is admitted at once, and on how many cores networks are computed."""

    backend: Literal["auto", "torch", "onnxruntime", "openvino"] = Field(
        default="auto",
        description="what runs the networks: torch, onnxruntime, openvino, or auto: ONNX Runtime on CPUs, torch until it is "
        "ready and elsewhere",
    )
    max_batch: int = Field(
        default=8,
        ge=1,
        description="largest number of images in one forward pass on a GPU; on a CPU every image has its own",
    )
    max_admitted_bytes: int = Field(
        default=256 * MEBIBYTE,
        ge=1,
        description="most bytes of uploads that are admitted and not yet answered; never less than two of max_bytes, bytes",
    )
    time_limit_s: float = Field(
        default=30.0,
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        description="longest a request may take, upload included, seconds",
    )
    threads: int = Field(
        default=0, ge=0, description="cores that networks are computed on; 0: as many as there are"
    )
    encode_threads: int = Field(default=2, ge=1, description="threads that encode answers")
