"""Requests and responses of the Open Inference Protocol (v2), as JSON and with its binary extension."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from sge.analysis import Analysis, Prediction, json_text
from sge.arrays import Array
from sge.errors import ChoiceError
from sge.lens import Wanted

from .client_text import shown
from .errors import ProblemError

LENGTH_HEADER = "Inference-Header-Content-Length"
"""Bytes of the JSON at the beginning of a body; the tensors' bytes follow it."""
INPUT = "image"
VERSION = "1"
CLASS_OUTPUTS = {"label": "BYTES", "score": "FP32", "raw_score": "FP32", "index": "INT64"}
"""Outputs of the predictions, (1, top_k) each, best class first."""
MAP_OUTPUTS = {"mask": "masks", "similarity": "similarity"}
"""Kinds of outputs with maps, named ``mask/BLOCK``; the analysis has them under these names."""
FRAMINGS = ("whole", "center")
MAX_TOP_K = 1000
MAX_OUTPUTS = 1000
MAX_ID = 256
HEADER_BYTES = 256 * 1024
"""Bytes that the JSON may have beside the image."""
MAX_VALUES = 20_000
"""Values that the JSON may have. Each one costs many times its bytes in memory, and the interpreter does nothing else while
it reads them, so commas and brackets are counted first; an image in base64 has none of them."""
PARAMETERS = ("top_k", "framing", "binary_data_output")


@dataclass(frozen=True)
class Output:
    """An output that a request names."""

    name: str
    binary: bool

    @property
    def block(self) -> str | None:
        """The block whose maps it holds; None: it is one of the predictions."""
        return None if self.name in CLASS_OUTPUTS else self.name.partition("/")[2]


@dataclass(frozen=True)
class InferenceRequest:
    """A request that was read; whether its outputs exist is not checked yet."""

    image: bytes
    outputs: tuple[Output, ...]
    top_k: int = 5
    framing: str = "whole"
    id: str | None = None

    @property
    def wanted(self) -> Wanted | None:
        """The maps that the outputs need; None: the predictions are enough."""
        blocks = tuple(dict.fromkeys(output.block for output in self.outputs if output.block is not None))
        kinds = {output.name.partition("/")[0] for output in self.outputs}
        if not blocks:
            return None
        return Wanted(blocks, "mask" in kinds, "similarity" in kinds, energy=False, parts=False)


def parse(body: bytes, header_length: str | None) -> InferenceRequest:
    """Reads a request.

    Args:
        body: The whole body, decoded.
        header_length: Value of ``LENGTH_HEADER``; None: the body is all JSON.

    Raises:
        ProblemError: 400, the body is no such request; the sentence says what is wrong.
        ChoiceError: A parameter that there is not, or a value that it cannot have.
    """
    length = len(body)
    if header_length is not None:
        if not (header_length.isascii() and header_length.isdigit() and int(header_length[:18]) <= length):
            _refuse(f"{LENGTH_HEADER} is {shown(header_length)!r}. Give the number of bytes of the JSON")
        length = int(header_length)
    record = _json(body[:length])
    parameters = _mapping(record.get("parameters", {}), "parameters")
    if unknown := [name for name in parameters if name not in PARAMETERS]:
        raise ChoiceError(f"No parameter {shown(unknown[0])!r}; there are: {', '.join(PARAMETERS)}.")
    all_binary = parameters.get("binary_data_output", False)
    request_id = record.get("id")
    if request_id is not None and not (isinstance(request_id, str) and len(request_id) <= MAX_ID):
        _refuse(f"id is not a text of at most {MAX_ID} characters")
    return InferenceRequest(
        _image(record, body[length:]),
        _outputs(record, all_binary is True),
        _top_k(parameters.get("top_k", 5)),
        _framing(parameters.get("framing", "whole")),
        request_id,
    )


def _refuse(sentence: str) -> NoReturn:
    raise ProblemError(400, f"{sentence}. GET /v2/models/NAME describes inputs and outputs.", "malformed")


def _json(data: bytes) -> dict[str, Any]:
    if sum(data.count(sign) for sign in (b",", b"[", b"{")) > MAX_VALUES:
        _refuse(f"The JSON has more than {MAX_VALUES} values. Send the image's bytes as one text in base64")
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        _refuse("The body is not JSON. Send a request of the Open Inference Protocol")
    return _mapping(record, "The body")


def _mapping(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _refuse(f"{what} is not a JSON object")
    return value


def _list(value: object, what: str, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        _refuse(f"{what} is not a list of at most {most} entries")
    return value


def _image(record: Mapping[str, Any], rest: bytes) -> bytes:
    inputs = _list(record.get("inputs"), "inputs", 16)
    if len(inputs) != 1:
        _refuse(f"The request has {len(inputs)} inputs. Send one, {INPUT!r}, with one image")
    tensor = _mapping(inputs[0], "The input")
    if tensor.get("name") != INPUT:
        _refuse(f"The input is called {shown(str(tensor.get('name')))!r}. Call it {INPUT!r}")
    if tensor.get("datatype") != "BYTES":
        _refuse(
            f"The input's datatype is {shown(str(tensor.get('datatype')))!r}. Send the bytes of an image file as BYTES"
        )
    shape = _list(tensor.get("shape"), "The input's shape", 8)
    if not shape or any(type(side) is not int or side != 1 for side in shape):
        _refuse(
            "The input's shape is not [1]. Send one image in each request; the service makes batches itself"
        )
    parameters = _mapping(tensor.get("parameters", {}), "parameters of the input")
    size = parameters.get("binary_data_size")
    if "shared_memory_region" in parameters:
        _refuse("Shared memory is not offered. Send the image's bytes")
    if size is None:
        return _from_text(tensor.get("data"))
    if type(size) is not int or size != len(rest) or size < 4:
        _refuse(
            f"binary_data_size is {shown(str(size))}, and {len(rest)} bytes follow the JSON. The two must be equal"
        )
    (length,) = struct.unpack_from("<I", rest)
    if length != size - 4:
        _refuse(
            "The bytes after the JSON are not one BYTES element: its length in 4 bytes (little endian), then the image"
        )
    return rest[4:]


def _from_text(data: object) -> bytes:
    while isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, str):
        _refuse("The input has no data. Give a list with one text, the image's bytes in base64")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        _refuse("The input's data is not base64. Encode the image's bytes, or use the binary extension")


def _outputs(record: Mapping[str, Any], all_binary: bool) -> tuple[Output, ...]:
    named = _list(record.get("outputs") or [{"name": name} for name in CLASS_OUTPUTS], "outputs", MAX_OUTPUTS)
    outputs = []
    for entry in named:
        tensor = _mapping(entry, "An output")
        parameters = _mapping(tensor.get("parameters", {}), "parameters of an output")
        if parameters.get("classification"):
            _refuse("The parameter classification is not offered. Ask for the outputs label and score")
        if "shared_memory_region" in parameters:
            _refuse("Shared memory is not offered. The outputs are in the answer")
        outputs.append(
            Output(str(tensor.get("name"))[:300], parameters.get("binary_data", all_binary) is True)
        )
    names = [output.name for output in outputs]
    if len(set(names)) < len(names):
        _refuse("An output is asked for twice")
    return tuple(outputs)


def _top_k(value: object) -> int:
    if type(value) is not int or not 1 <= value <= MAX_TOP_K:
        raise ChoiceError(f"top_k is {shown(str(value))!r}. Give a whole number from 1 to {MAX_TOP_K}.")
    return value


def _framing(value: object) -> str:
    if value not in FRAMINGS:
        raise ChoiceError(f"framing is {shown(str(value))!r}. Give 'whole' or 'center'.")
    return str(value)


def check_outputs(request: InferenceRequest, blocks: Mapping[str, Sequence[str]]) -> None:
    """Refuses outputs that a model does not have.

    Args:
        request: Names outputs.
        blocks: Name of each block to the signals that the model gives of it.

    Raises:
        ChoiceError: The message lists those that it has.
    """
    for output in request.outputs:
        kind, _, block = output.name.partition("/")
        if output.name not in CLASS_OUTPUTS and not (kind in MAP_OUTPUTS and kind in blocks.get(block, ())):
            known = ", ".join([*CLASS_OUTPUTS, "mask/BLOCK", "similarity/BLOCK"])
            raise ChoiceError(
                f"No output {shown(output.name)!r}; there are: {known}, where BLOCK is one of {', '.join(blocks)}."
            )


def class_tensor(name: str, predictions: Sequence[Prediction]) -> Array | list[str]:
    """One of the outputs of the predictions, (classes,)."""
    values = [getattr(prediction, name) for prediction in predictions]
    return values if name == "label" else np.asarray(values, np.int64 if name == "index" else np.float32)


def build(
    request: InferenceRequest, model: str, predictions: Sequence[Prediction], analysis: Analysis | None
) -> tuple[bytes, int | None]:
    """The body of a response, and the number of bytes of its JSON if other bytes follow.

    Args:
        request: Its outputs exist.
        model: The model's name.
        predictions: At least ``top_k`` of them, or all classes.
        analysis: With the maps that ``request.wanted`` names; None: there are none.
    """
    tensors: list[dict[str, Any]] = []
    rest: list[bytes] = []
    for output in request.outputs:
        kind, _, block = output.name.partition("/")
        values = (
            class_tensor(output.name, predictions[: request.top_k])
            if analysis is None or output.block is None
            else np.asarray(getattr(analysis, MAP_OUTPUTS[kind])[block], np.float32)
        )
        shape = [1, len(values)] if isinstance(values, list) else [1, *values.shape]
        tensor: dict[str, Any] = {
            "name": output.name,
            "datatype": CLASS_OUTPUTS.get(output.name, "FP32"),
            "shape": shape,
        }
        if output.binary:
            data = _binary(values)
            tensor["parameters"] = {"binary_data_size": len(data)}
            rest.append(data)
        else:
            tensor["data"] = values if isinstance(values, list) else values.ravel().tolist()
        tensors.append(tensor)
    record = {"model_name": model, "model_version": VERSION, "outputs": tensors}
    header = json_text(record | ({} if request.id is None else {"id": request.id})).encode("utf-8")
    return (b"".join((header, *rest)), len(header)) if rest else (header, None)


def _binary(values: Array | list[str]) -> bytes:
    if isinstance(values, list):
        texts = [text.encode("utf-8") for text in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
