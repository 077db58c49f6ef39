"""Messages of the Open Inference Protocol: what is no request first."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import ProblemError
from app.inference_messages import CLASS_OUTPUTS, InferenceRequest, Output, build, check_outputs, parse
from sge.analysis import SIGNALS, Prediction
from sge.errors import ChoiceError

IMAGE = b"\xff\xd8\xff not a whole image"


def tensor(**more: Any) -> dict[str, Any]:
    data = [base64.b64encode(IMAGE).decode()]
    return {"name": "image", "datatype": "BYTES", "shape": [1], "data": data} | more


def record(**more: Any) -> dict[str, Any]:
    return {"inputs": [tensor()]} | more


def parsed(value: Any) -> InferenceRequest:
    return parse(json.dumps(value).encode(), None)


def binary(value: dict[str, Any], rest: bytes, length: str | None = None) -> InferenceRequest:
    header = json.dumps(value).encode()
    return parse(header + rest, str(len(header)) if length is None else length)


def element(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


WRONG = {
    "not JSON": [b"", b"{", b"\xff\xfe", b"[" * 15_000, b"1" * 5000, b"{'a': 1}"],
    "JSON object": [b"[]", b"1", b"null", b'"text"'],
    "more than 20000 values": [b'{"inputs":[' + b"[]," * 20_000 + b"1]}", b"{" * 30_000, b'{"a":' * 30_000],
}


@pytest.mark.parametrize(
    ("says", "body"), [(says, body) for says, bodies in WRONG.items() for body in bodies]
)
def test_what_is_no_request_is_named(says: str, body: bytes) -> None:
    with pytest.raises(ProblemError, match=says) as caught:
        parse(body, None)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({}, "inputs is not a list"),
        ({"inputs": {}}, "inputs is not a list"),
        ({"inputs": [tensor()] * 17}, "inputs is not a list of at most 16"),
        ({"inputs": []}, "0 inputs"),
        ({"inputs": [tensor(), tensor()]}, "2 inputs"),
        ({"inputs": [1]}, "not a JSON object"),
        (record(inputs=[tensor(name="input_0")]), "called 'input_0'"),
        (record(inputs=[tensor(name=None)]), "called 'None'"),
        (record(inputs=[tensor(datatype="FP32")]), "datatype is 'FP32'"),
        (record(inputs=[tensor(shape=[2])]), r"shape is not \[1\]"),
        (record(inputs=[tensor(shape=[])]), r"shape is not \[1\]"),
        (record(inputs=[tensor(shape=[True])]), r"shape is not \[1\]"),
        (record(inputs=[tensor(shape=[-1])]), r"shape is not \[1\]"),
        (record(inputs=[tensor(shape=[1e400])]), r"shape is not \[1\]"),
        (record(inputs=[tensor(shape="1")]), "shape is not a list"),
        (record(inputs=[tensor(data=None)]), "no data"),
        (record(inputs=[tensor(data=[1, 2, 3])]), "no data"),
        (record(inputs=[tensor(data=["a", "b"])]), "no data"),
        (record(inputs=[tensor(data=["\u00fc"])]), "not base64"),
        (record(inputs=[tensor(data=["abc"])]), "not base64"),
        (record(inputs=[tensor(parameters={"shared_memory_region": "x"})]), "Shared memory"),
        (record(inputs=[tensor(parameters=[])]), "not a JSON object"),
        (record(parameters=[1]), "not a JSON object"),
        (record(outputs="label"), "outputs is not a list"),
        (record(outputs=[{"name": "label"}] * 2), "twice"),
        (record(outputs=[{"name": "label", "parameters": {"classification": 3}}]), "classification"),
        (record(outputs=[{"name": "label", "parameters": {"shared_memory_region": "x"}}]), "Shared memory"),
        (record(id=5), "id is not"),
        (record(id="x" * 300), "id is not"),
    ],
)
def test_every_wrong_part_has_its_sentence(value: Any, says: str) -> None:
    with pytest.raises(ProblemError, match=says) as caught:
        parsed(value)
    assert caught.value.status == 400
    assert caught.value.detail.endswith(".")


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"topk": 3}, "No parameter 'topk'; there are: top_k, framing"),
        ({"top_k": 0}, "top_k is '0'"),
        ({"top_k": True}, "top_k is 'True'"),
        ({"top_k": 1001}, "top_k is '1001'"),
        ({"top_k": "5"}, "top_k is '5'"),
        ({"framing": "half"}, "framing is 'half'"),
        ({"framing": ["whole"]}, "framing is "),
    ],
)
def test_parameters_are_those_that_there_are(parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(ChoiceError, match=says):
        parsed(record(parameters=parameters))


def test_the_binary_extension_agrees_with_its_lengths() -> None:
    value = record(inputs=[tensor(data=None, parameters={"binary_data_size": len(IMAGE) + 4})])
    assert binary(value, element(IMAGE)).image == IMAGE
    for rest, length, says in (
        (element(IMAGE)[:-1], None, "must be equal"),
        (element(IMAGE) + b"x", None, "must be equal"),
        (b"", None, "must be equal"),
        (struct.pack("<I", 2**32 - 1) + IMAGE, None, "one BYTES element"),
        (element(b"") + IMAGE, None, "one BYTES element"),
        (element(IMAGE), "-1", "Inference-Header-Content-Length"),
        (element(IMAGE), "9" * 5000, "Inference-Header-Content-Length"),
        (element(IMAGE), "\u0663", "Inference-Header-Content-Length"),
        (element(IMAGE), "", "Inference-Header-Content-Length"),
        (element(IMAGE), "3", "not JSON"),
    ):
        with pytest.raises(ProblemError, match=says):
            binary(value, rest, length)
    for size in (True, -1, 2**70, "30", 3.0, 0):
        with pytest.raises(ProblemError, match="binary_data_size"):
            binary(record(inputs=[tensor(parameters={"binary_data_size": size})]), element(IMAGE))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.one_of(st.none(), st.text(max_size=5)))
def test_noise_is_refused_in_words(body: bytes, length: str | None) -> None:
    with pytest.raises((ProblemError, ChoiceError)):
        parse(body, length)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "shape", "data", "id"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["inputs", "outputs", "parameters", "id"]), JSON)
def test_no_value_of_a_member_is_more_than_refused(member: str, value: Any) -> None:
    with contextlib.suppress(ProblemError, ChoiceError):
        assert parsed(record(**{member: value})).image == IMAGE


def test_a_request_is_read() -> None:
    read = parsed(
        record(
            id="7",
            parameters={"top_k": 3, "framing": "center", "binary_data_output": True},
            outputs=[{"name": "mask/a", "parameters": {"binary_data": False}}, {"name": "label"}],
        )
    )
    outputs = (Output("mask/a", False), Output("label", True))
    assert read == InferenceRequest(IMAGE, outputs, 3, "center", "7")
    wanted = read.wanted
    assert wanted is not None
    assert (wanted.blocks, wanted.masks, wanted.similarity, wanted.parts) == (("a",), True, False, False)
    default = parsed(record())
    assert [output.name for output in default.outputs] == list(CLASS_OUTPUTS)
    assert default.wanted is None
    assert (
        parsed(record(inputs=[tensor(shape=[1, 1], data=[[base64.b64encode(IMAGE).decode()]])])).image
        == IMAGE
    )


def test_unknown_outputs_are_named_with_those_that_there_are() -> None:
    for name in ("masks", "mask/", "mask/c", "a", "energy/a", "", "label/a"):
        with pytest.raises(ChoiceError, match="mask/BLOCK"):
            check_outputs(InferenceRequest(IMAGE, (Output(name, False),)), {"a": SIGNALS, "b": SIGNALS})
    blocks = {"a": SIGNALS, "b": ("mask",)}
    check_outputs(InferenceRequest(IMAGE, (Output("similarity/a", False), Output("index", True))), blocks)
    with pytest.raises(ChoiceError, match="No output 'similarity/b'"):
        check_outputs(InferenceRequest(IMAGE, (Output("similarity/b", False),)), blocks)


PREDICTIONS = [Prediction("Sch\u00e4fer", 0.5, 7, 0.4), Prediction("cat", 0.25, 1, 0.2)]


def test_both_forms_hold_the_same_values() -> None:
    names = list(CLASS_OUTPUTS)
    asked = InferenceRequest(IMAGE, tuple(Output(name, False) for name in names), 2, id="x")
    plain, length = build(asked, "m", PREDICTIONS, None)
    assert length is None
    written = json.loads(plain)
    assert (written["model_name"], written["model_version"], written["id"]) == ("m", "1", "x")
    assert {each["name"]: each["data"] for each in written["outputs"]} == {
        "label": ["Sch\u00e4fer", "cat"],
        "score": [0.5, 0.25],
        "raw_score": [np.float32(0.4), np.float32(0.2)],
        "index": [7, 1],
    }
    packed = InferenceRequest(IMAGE, tuple(Output(name, True) for name in names), 1)
    body, length = build(packed, "m", PREDICTIONS, None)
    outputs, rest = json.loads(body[:length])["outputs"], body[length:]
    sizes = [each["parameters"]["binary_data_size"] for each in outputs]
    assert sum(sizes) == len(rest)
    assert [each["shape"] for each in outputs] == [[1, 1]] * 4
    text = "Sch\u00e4fer".encode()
    assert rest == struct.pack("<I", len(text)) + text + struct.pack("<ffq", 0.5, 0.4, 7)
