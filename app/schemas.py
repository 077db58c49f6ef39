"""The JSON that the API speaks, for its OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str = Field(description="says what to do next")
    errors: list[str] | None = None


class PredictionOut(BaseModel):
    """One class."""

    label: str
    score: float = Field(ge=0, le=1)
    index: int = Field(ge=0)


class BlockOut(BaseModel):
    """One block that carries SGE."""

    name: str
    groups: int
    height: int
    width: int
    stride: int
    channels: int
    inactive: int = Field(description="how many of its groups have weight 0")


class AtlasOut(BaseModel):
    """Maps of a block as an 8-bit grey image: value = lo + v / 255 * (hi - lo)."""

    groups: int
    height: int
    width: int
    lo: float
    hi: float
    png: str = Field(description="base64; the maps one below the other, width x (groups * height)")


class MaskOut(AtlasOut):
    """With the numbers of the groups that it holds."""

    numbers: list[int]


class ImageOut(BaseModel):
    """Which image it was."""

    name: str | None
    width: int
    height: int
    format: str
    sha256: str


class MasksOut(BaseModel):
    """Masks only."""

    signal: Literal["mask", "similarity"]
    model: str
    image: ImageOut
    blocks: dict[str, MaskOut]


class OpensWithOut(BaseModel):
    """The group that a viewer shows first."""

    block: str
    group: int
    reason: str


class ModelInfoOut(BaseModel):
    """Which model it was."""

    name: str
    title: str
    sentence: str
    gates: Literal["none", "inactive", "tuned", "trained"]
    sha256: str | None
    opens_with: OpensWithOut | None


class PartOut(BaseModel):
    """A named place, in pixels of the upright original."""

    name: str
    x: float
    y: float
    score: float
    box: list[float]


class ShareOut(BaseModel):
    """One group's part in a mix."""

    block: str
    group: int = Field(ge=0)
    weight: float = Field(gt=0, le=1)


class PartMapOut(AtlasOut):
    """Where a part may be, as an atlas of one map from 0 to 1 over the geometry's window."""

    threshold: float = Field(ge=0, le=1, description="from here on a peak is a part")
    mix: list[ShareOut] = Field(description="which groups it is the sum of; the weights sum to 1")


class GeometryOut(BaseModel):
    """The window on the image that the network saw; cells divide it evenly."""

    image: list[int] = Field(description="width, height of the upright original, pixels")
    input: list[int] = Field(description="width, height of the network's input, pixels")
    window: list[float] = Field(description="left, top, right, bottom in pixels of the upright original")
    framing: Literal["whole", "center"]


class AnalysisOut(BaseModel):
    """Everything of one forward pass."""

    version: int
    image: ImageOut
    model: ModelInfoOut
    signal: Literal["mask", "similarity"] = Field(description="what to look at first")
    default_block: str
    predictions: list[PredictionOut]
    blocks: list[BlockOut]
    parts: list[PartOut] = Field(description="nose, left_eye, right_eye as seen in the image")
    part_maps: dict[str, PartMapOut] = Field(
        description="nose and eye; empty if the model has no part finder. With maps and no parts, none was found."
    )
    geometry: GeometryOut
    focus: dict[str, list[float]] = Field(description="by block and group: near 1 answers to a single place")
    energy: dict[str, list[float]] = Field(description="by block: each group's share of its squared output")
    masks: dict[str, AtlasOut]
    similarity: dict[str, AtlasOut]


class ModelOut(BaseModel):
    """One of the service's models."""

    name: str
    ready: bool
    default: bool
    error: str | None
    device: str | None
    precision: str | None
    memory_bytes: int | None = Field(description="parameters and buffers")
    parameters: int | None
    classes: int | None
    preprocess: dict[str, Any] | None
    card: dict[str, Any] | None
    blocks: list[BlockOut] = Field(description="cells as for a 224 px square image")


class HealthOut(BaseModel):
    """Alive, or ready."""

    status: Literal["live", "ready"]
