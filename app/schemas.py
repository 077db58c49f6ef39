"""The JSON of the REST API for its OpenAPI document.

What the library already has as a dataclass (``Prediction``, ``BlockInfo``, ...) is used as it is. The classes here are
for what exists only as JSON. Bodies that are built in the pool are not compared with them at run time; a test does.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from sge.analysis import BlockInfo, Box, ClassEffect, Fit, ImageInfo, ModelInfo, Prediction
from sge.parts import GroupWeight, Part


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = Field(description="a sentence that says what to do next")
    errors: list[str] | None = None
    request_id: str | None = Field(default=None, description="as in the answer's X-Request-ID and in the log")
    trace_id: str | None = Field(default=None, description="of the request's traceparent")
    error: str | None = Field(default=None, description="of /v2: the detail once more")
    reason: str | None = Field(default=None, description="of a 503: loading, failed, queue, ...")


class AtlasOut(BaseModel):
    """Maps of a block as an 8-bit gray image: value = lo + v / 255 * (hi - lo)."""

    groups: int
    height: int
    width: int
    lo: float
    hi: float
    png: str = Field(
        description="PNG in base64; the maps are stacked vertically: width x (groups * height) pixels"
    )


class MaskOut(AtlasOut):
    """Maps of the chosen groups of a block."""

    numbers: list[int] = Field(description="the group that each map belongs to")


class MasksOut(BaseModel):
    """Maps of one signal."""

    signal: Literal["mask", "similarity"]
    model: str
    image: ImageInfo
    blocks: dict[str, MaskOut]


class PartMapOut(AtlasOut):
    """Where a part may be: one map from 0 to 1 over the geometry's window."""

    threshold: float = Field(ge=0, le=1, description="a peak of at least this value is a part")
    terms: list[GroupWeight] = Field(
        description="groups that the map is read from, with their weights. Of a readout all of them, and the weights sum to "
        "1; of a detector the groups of the largest positive weights, each as a share of all positive weights of groups"
    )
    source: Literal["groups", "groups and channels"] = Field(description="what the map is made of")


class GeometryOut(BaseModel):
    """The window of the image that the network saw; the cells of a map divide it evenly."""

    image: list[int] = Field(description="width, height of the upright original, pixels")
    input: list[int] = Field(description="width, height of the network's input, pixels")
    window: list[float] = Field(description="left, top, right, bottom in pixels of the upright original")
    framing: Literal["whole", "center"]


class AblationOut(BaseModel):
    """Scores with groups ablated, beside those of the unchanged network and of random groups."""

    mode: Literal["mean", "zero", "only"]
    groups: dict[str, list[int]] = Field(description="by block: the ablated groups")
    controls: int = Field(description="number of draws of random groups")
    seed: int
    predictions_before: list[Prediction] = Field(description="of the unchanged network, best first")
    predictions_after: list[Prediction] = Field(description="with the groups ablated, best first")
    classes: list[ClassEffect] = Field(
        description="the best classes before and after, and the targets: probabilities and logits, change = after - "
        "before, and the probabilities with random groups ablated (lo and hi: smallest and largest, or quantiles 0.025 "
        "and 0.975 of 40 draws or more)"
    )


class AblationRecordOut(AblationOut):
    """An ablation with the scores of all classes, from which ``Analysis.open`` restores it."""

    control_groups: list[dict[str, list[int]]] = Field(description="the random groups of each draw")
    labels: list[str]
    arrays: dict[str, str] = Field(
        description="before, after, controls, logits_before, logits_after, logits_controls: little-endian float32 in "
        "base64, of shape (classes) or (draws, classes)"
    )


class GradCamOut(AtlasOut):
    """Grad-CAM of a class: one map over the geometry's window."""

    layer: str = Field(description="path of the module whose output the map weights")


class AttributionOut(BaseModel):
    """Effect of every group on the logit of one class."""

    target: Prediction
    logit: float = Field(description="the class's logit, before any temperature")
    method: dict[str, Literal["gradient", "ablation"]] = Field(
        description="by block: effect to first order, or measured by removing each group"
    )
    effect: dict[str, list[float]] = Field(
        description="by block and group: about how much the logit falls when the group is removed; above 0: the group "
        "raises it"
    )
    spatial: dict[str, list[float]] = Field(
        description="by block and group: the same, to first order, when the group's mask is replaced by its mean over space"
    )
    grad_cam: GradCamOut | None


class StepsOut(BaseModel):
    """How one group's mask is made from its features (eq. 1-5 of the paper)."""

    block: str
    group: int
    weight: float
    bias: float
    mean: list[float] = Field(description="mean of each of the group's channels over space")
    features: AtlasOut = Field(description="one map for each channel of the group, before the mask")
    product: AtlasOut = Field(description="one map: dot product of each position's features with the mean")
    similarity: AtlasOut = Field(description="one map: the product, standardized over space")
    mask: AtlasOut = Field(description="one map: sigmoid(weight * similarity + bias)")
    output: AtlasOut = Field(description="one map for each channel: features times mask")


class IncludedOut(BaseModel):
    """Names of the blocks whose maps and energy are in an answer."""

    masks: list[str]
    similarity: list[str]
    energy: list[str]


class CanOut(BaseModel):
    """What the model can do beside an analysis; an exported file has no gradients."""

    gradients: bool = Field(description="effects of all groups to first order, and Grad-CAM")
    steps: bool = Field(description="/steps")


class AnalysisOut(BaseModel):
    """What the forward passes of an image show."""

    version: int
    image: ImageInfo
    model: ModelInfo
    signal: Literal["mask", "similarity"] = Field(description="the signal that a viewer shows first")
    default_block: str
    predictions: list[Prediction] = Field(
        description="best first; empty for a network without logits and for a model without labels"
    )
    boxes: list[Box] = Field(
        description="what a detector finds, best first, in pixels of the upright original; empty for other networks"
    )
    is_detector: bool = Field(description="whether the network gives boxes; without boxes, it found nothing")
    fit: Fit | None = Field(description="whether any class fits; null if the model has no measured threshold")
    blocks: list[BlockInfo]
    parts: list[Part] = Field(
        description="nose, left_eye and right_eye of every face, as seen in the image; position and box in pixels of the "
        "original. face numbers the faces, 0 for the best one; sure is false for parts below the finder's own limit"
    )
    part_maps: dict[str, PartMapOut] = Field(
        description="nose and eye; empty if the model has no part finder. Maps without parts: none was found."
    )
    geometry: GeometryOut
    focus: dict[str, list[float]] = Field(
        description="by block and group: near 1 if the group responds to a single cell, 0 if it has no pattern"
    )
    energy: dict[str, list[float]] = Field(
        description="by block: each group's fraction of the block's squared output"
    )
    masks: dict[str, AtlasOut]
    similarity: dict[str, AtlasOut]
    can: CanOut
    included: IncludedOut | None = Field(
        default=None,
        description="only if blocks= names some of the blocks, or the model does not give all of them; masks, similarity, "
        "focus and energy are of those",
    )
    attribution: AttributionOut | None = Field(default=None, description="only if target= asks for it")
    ablation: AblationRecordOut | None = Field(default=None, description="only if ablate= asks for it")
    preview: str | None = Field(
        default=None, description="only if preview= asks for it: the decoded image as a data URL, PNG or JPEG"
    )


class ModelOut(BaseModel):
    """One of the service's models; what is known only once it is loaded is null before."""

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
    card: dict[str, Any] | None = Field(
        description="what is known about the model; its notes are sentences on what was assumed"
    )
    blocks: list[BlockInfo] = Field(description="map sizes for a 224 px square image")
    part_finders: list[str] = Field(
        description="the values of parts_by for which the model has a finder of its own"
    )


class ModelDetailsOut(ModelOut):
    """One model with the labels of its classes."""

    labels: list[str] | None = Field(description="one for each class, in the order of the logits")


class HealthOut(BaseModel):
    """Health of the service."""

    status: Literal["live", "ready"]
