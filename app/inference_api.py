"""The Open Inference Protocol (v2): health, metadata, and inference of one image."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

import sge

from .deps import EngineDep
from .engine import Engine
from .errors import ProblemError
from .inference_messages import (
    CLASS_OUTPUTS,
    HEADER_BYTES,
    INPUT,
    LENGTH_HEADER,
    MAP_OUTPUTS,
    VERSION,
    InferenceRequest,
    build,
    check_outputs,
    parse,
)
from .openapi import BINARY, IMAGE_PROBLEMS, problems
from .requests import admitted
from .slots import Slot
from .upload_problems import envelope_of
from .uploads import Upload, read_body, too_large

router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])
Name = Annotated[str, Path(max_length=200)]
Version = Annotated[str, Path(max_length=20)]
THREAD_BYTES = 64 * 1024
"""Larger bodies are read and written in a thread."""


class ServerOut(BaseModel):
    """What the service is."""

    name: str
    version: str
    extensions: list[str]


class LiveOut(BaseModel):
    """Whether the process runs."""

    live: bool


class ReadyOut(BaseModel):
    """Whether images are answered."""

    ready: bool


class ModelReadyOut(ReadyOut):
    """Whether a model's images are answered."""

    name: str


class TensorOut(BaseModel):
    """An input or an output of a model."""

    name: str
    datatype: str
    shape: list[int] = Field(description="-1: as large as the image or the request makes it")


class ModelMetadataOut(BaseModel):
    """Inputs and outputs of a model."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorOut]
    outputs: list[TensorOut]


class InferenceTensor(BaseModel):
    """A tensor of a request or a response."""

    name: str
    datatype: str | None = None
    shape: list[int] | None = None
    data: list[Any] | None = Field(default=None, description="flat; of an image, its bytes in base64")
    parameters: dict[str, Any] | None = None


class InferenceIn(BaseModel):
    """A request for inference."""

    id: str | None = None
    inputs: list[InferenceTensor] = Field(description="one: image, BYTES, [1]")
    outputs: list[InferenceTensor] | None = Field(
        default=None, description="names only; by default label, score, raw_score and index"
    )
    parameters: dict[str, Any] | None = Field(
        default=None, description="top_k (5), framing (whole or center), binary_data_output (false)"
    )


class InferenceOut(BaseModel):
    """The answer to a request for inference."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[InferenceTensor]


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": InferenceIn.model_json_schema(ref_template="#/components/schemas/{model}")
            },
            "application/octet-stream": {"schema": BINARY},
        },
    }
}


@router.get("", responses=problems(500))
async def server_metadata() -> ServerOut:
    """Name, version and extensions of the service."""
    return ServerOut(name="sge-lens", version=sge.__version__, extensions=["binary_tensor_data"])


@router.get("/health/live", responses=problems(500))
async def live() -> LiveOut:
    """200 while the process runs."""
    return LiveOut(live=True)


@router.get("/health/ready", responses=problems(500, 503))
async def ready(engine: EngineDep) -> ReadyOut:
    """200 while images are answered; 503 otherwise."""
    if not engine.ready:
        raise ProblemError(503, "Not ready; /api/v1/health/ready says why.", "loading", 2)
    return ReadyOut(ready=True)


def _slot(engine: Engine, name: str, version: str = VERSION) -> Slot:
    slot = engine.slot(name)
    if version != VERSION:
        raise ProblemError(404, f"{slot.name} has one version, {VERSION}. Ask for it, or for none.", "model")
    return slot


@router.get("/models/{name}/versions/{version}/ready", responses=problems(404, 422, 500, 503))
async def version_ready(name: Name, version: Version, engine: EngineDep) -> ModelReadyOut:
    """200 once the model is loaded; 503 before."""
    slot = _slot(engine, name, version)
    slot.require_lens()
    return ModelReadyOut(name=slot.name, ready=True)


@router.get("/models/{name}/ready", responses=problems(404, 422, 500, 503))
async def model_ready(name: Name, engine: EngineDep) -> ModelReadyOut:
    """200 once the model is loaded; 503 before."""
    return await version_ready(name, VERSION, engine)


@router.get("/models/{name}/versions/{version}", responses=problems(404, 422, 500, 503))
async def version_metadata(name: Name, version: Version, engine: EngineDep) -> ModelMetadataOut:
    """Inputs and outputs of a model."""
    slot = _slot(engine, name, version)
    slot.require_lens()
    classes = [TensorOut(name=each, datatype=kind, shape=[1, -1]) for each, kind in CLASS_OUTPUTS.items()]
    maps = [
        TensorOut(name=f"{kind}/{block.name}", datatype="FP32", shape=[1, block.groups, -1, -1])
        for kind in MAP_OUTPUTS
        for block in slot.blocks
        if kind in block.signals
    ]
    return ModelMetadataOut(
        name=slot.name,
        versions=[VERSION],
        platform="sge_lens",
        inputs=[TensorOut(name=INPUT, datatype="BYTES", shape=[1])],
        outputs=classes + maps,
    )


@router.get("/models/{name}", responses=problems(404, 422, 500, 503))
async def model_metadata(name: Name, engine: EngineDep) -> ModelMetadataOut:
    """Inputs and outputs of a model."""
    return await version_metadata(name, VERSION, engine)


_INFERENCE_PROBLEMS = IMAGE_PROBLEMS | {200: {"content": {"application/octet-stream": {"schema": BINARY}}}}


@router.post(
    "/models/{name}/versions/{version}/infer",
    response_model=InferenceOut,
    responses=_INFERENCE_PROBLEMS,
    openapi_extra=_BODY,
)
async def infer_version(name: Name, version: Version, request: Request, engine: EngineDep) -> Response:
    """Predictions and chosen maps of one image, as JSON or with tensors in binary."""
    slot = _slot(engine, name, version)
    lens = slot.require_lens()
    asked = await _read(request, engine)
    check_outputs(asked, {block.name: block.signals for block in slot.blocks})
    wanted = asked.wanted

    async def upload(_request: Request, _max_bytes: int) -> Upload:
        return Upload(asked.image, None)

    async with admitted(
        request, engine, "masks" if wanted else "predict", read=upload, model=slot.name
    ) as admission:
        if wanted is None:
            analysis, predictions = None, await engine.predict(admission, lens, asked.framing, asked.top_k)
        else:
            analysis = await engine.analyze(admission, lens, asked.framing, asked.top_k, wanted=wanted)
            predictions = analysis.predictions
        body, length = (
            build(asked, slot.name, predictions, None)
            if analysis is None
            else await engine.run(build, asked, slot.name, predictions, analysis)
        )
    if length is None:
        return Response(body, media_type="application/json")
    return Response(body, headers={LENGTH_HEADER: str(length)}, media_type="application/octet-stream")


@router.post(
    "/models/{name}/infer", response_model=InferenceOut, responses=_INFERENCE_PROBLEMS, openapi_extra=_BODY
)
async def infer(name: Name, request: Request, engine: EngineDep) -> Response:
    """Predictions and chosen maps of one image, as JSON or with tensors in binary."""
    return await infer_version(name, VERSION, request, engine)


async def _read(request: Request, engine: Engine) -> InferenceRequest:
    """The request in the body, whose image has at most ``max_bytes``."""
    limits = engine.settings
    overhead = limits.max_bytes // 3 + HEADER_BYTES  # base64 is longer by a third
    try:
        async with asyncio.timeout(limits.time_limit_s):
            body = await read_body(request, limits.max_bytes, overhead)
    except TimeoutError:
        raise ProblemError(
            504, f"The request took longer than {limits.time_limit_s:g} s to arrive. Try again.", "time"
        ) from None
    length = request.headers.get(LENGTH_HEADER)
    asked = parse(body, length) if len(body) < THREAD_BYTES else await engine.run(parse, body, length)
    if len(asked.image) > limits.max_bytes:
        raise too_large(limits.max_bytes)
    if not asked.image:
        raise ProblemError(400, "The image is empty (0 bytes). Send the bytes of an image file.", "malformed")
    if what := envelope_of(asked.image):
        raise ProblemError(415, f"What was sent as the image is {what}.", "format")
    return asked
