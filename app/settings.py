"""Every setting and limit of the service, read from ``SGE_*``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from sge.registry import DEFAULT_MODEL

MEBIBYTE = 1024 * 1024


class Settings(BaseSettings):
    """Limits carry their unit in the description; the README's table is tested against these fields."""

    model_config = SettingsConfigDict(env_prefix="SGE_", extra="ignore")

    models: Annotated[list[str], NoDecode] = Field(
        default=[DEFAULT_MODEL],
        min_length=1,
        description="names or weights files, separated by commas; the first is the default",
    )
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1, mps")
    precision: str = Field(default="auto", description="auto, float32, bfloat16, float16")
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on")
    max_bytes: int = Field(default=20 * MEBIBYTE, ge=1, description="largest upload, bytes")
    max_pixels: int = Field(default=50_000_000, ge=1, description="largest picture, pixels")
    max_batch: int = Field(default=8, ge=1, description="most pictures in one forward pass")
    max_queue: int = Field(default=32, ge=1, description="most pictures decoded or waiting for the model")
    time_limit_s: float = Field(
        default=30.0, gt=0, description="longest a request may take, upload included, seconds"
    )
    threads: int = Field(
        default=0, ge=0, description="threads that torch computes with; 0: as many as there are cores"
    )
    decode_threads: int = Field(default=2, ge=1, description="threads that decode and draw pictures")

    @field_validator("models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [name.strip() for name in value.split(",") if name.strip()]
        return value
