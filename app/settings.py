"""Every setting and limit of the service, read from the ``SGE_*`` environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from PIL import Image
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from sge.images import MAX_PIXELS, StructureLimits
from sge.models import DEFAULT_MODEL, ORIGINAL_MODEL, PETS_MODEL, model_name

from .settings_access import AccessSettings, comma_list
from .settings_connections import ConnectionSettings
from .settings_engine import EngineSettings
from .settings_workers import MEBIBYTE, WorkerSettings

PREFIX = "SGE_"
SECRETS = ("api_key",)
"""Settings whose values are never printed."""


class Settings(AccessSettings, ConnectionSettings, EngineSettings, WorkerSettings):
    """Settings of the service; a limit's description names its unit. A test compares README's table with the fields."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore")

    models: Annotated[list[str], NoDecode] = Field(
        default=[DEFAULT_MODEL, ORIGINAL_MODEL, PETS_MODEL],
        min_length=1,
        description="names, weights files or networks (timm:resnet50@FILE), separated by commas; the first is the default",
    )
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1, mps")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="auto, float32, bfloat16, float16"
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on")
    max_bytes: int = Field(default=20 * MEBIBYTE, ge=1, description="largest upload, bytes")
    max_pixels: int = Field(
        default=MAX_PIXELS,
        ge=1,
        le=int(Image.MAX_IMAGE_PIXELS or MAX_PIXELS),
        description="largest image, pixels (width x height)",
    )

    @field_validator("models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return comma_list(value)

    @field_validator("models")
    @classmethod
    def _distinct(cls, value: list[str]) -> list[str]:
        for before, source in pairwise(value):
            if "?" in before and "@" not in before and "@" in source and ":" not in source.partition("@")[0]:
                raise ValueError(
                    f"{source!r} names no library. Commas separate models: in an option write %2C, or repeat it, "
                    "?where=layer3&where=layer4"
                )
        names = [model_name(source) for source in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two models would be called {', '.join(twice)}; rename a file")
        return value

    @property
    def structure_limits(self) -> StructureLimits:
        """What the structure of an upload may have."""
        return StructureLimits(
            self.max_pixels,
            self.max_side,
            self.max_segments,
            self.max_data_blocks,
            self.max_frames,
            self.max_scan_pixels,
            self.max_metadata,
            self.image_memory,
        )

    @property
    def sources(self) -> dict[str, str]:
        """Each model's name for clients, and the name or file that it is loaded from."""
        return {model_name(source): source for source in self.models}


def explain(error: ValidationError) -> list[str]:
    """One sentence for each setting that cannot be used."""
    return [
        f"{PREFIX}{str(wrong['loc'][0]).upper()} is {_shown(wrong)}: {wrong['msg'].removeprefix('Value error, ')}."
        for wrong in error.errors()
    ]


def _shown(wrong: Mapping[str, Any]) -> str:
    """The refused value; a secret is not shown, because the log keeps it."""
    return "not usable" if wrong["loc"][0] in SECRETS else repr(wrong["input"])
