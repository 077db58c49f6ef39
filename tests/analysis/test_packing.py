"""Records as binary bodies."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sge.analysis.atlas import cells_record
from sge.analysis.packing import MAGIC, json_body, json_ready, pack_atlases, unpack_atlases
from sge.analysis.record import from_record, to_record
from sge.errors import AnalysisFileError
from tests.analyses import COARSE, FINE, made, made_attribution

CELLS = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(0, 999)).map(
    lambda drawn: cells_record(np.random.RandomState(drawn[3]).standard_normal(drawn[:3]).astype(np.float32))
)
FILES = st.builds(lambda data: {"type": "image/png", "data": data}, st.binary(max_size=20))
KEYS = st.text(max_size=3) | st.sampled_from(["cells", "offset", "data", "length", "type", "groups"])
LEAVES = st.none() | st.booleans() | st.text(max_size=4) | st.lists(st.integers(), max_size=3)
RECORDS = st.dictionaries(
    KEYS,
    st.recursive(
        LEAVES | CELLS | FILES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@given(RECORDS)
def test_every_record_comes_back(record: dict[str, Any]) -> None:
    assert same(unpack_atlases(pack_atlases(record)), record)


JSON_RECORDS = st.dictionaries(
    KEYS | st.just("<png>"),
    st.recursive(
        LEAVES | CELLS | st.sampled_from(["<png>", "<png><png>", '"<png>"']),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@given(JSON_RECORDS)
def test_json_with_its_images_set_in_is_that_of_the_ready_record(record: dict[str, Any]) -> None:
    assert json_body(record).decode() == json.dumps(json_ready(record))


def test_json_of_an_analysis_is_its_record() -> None:
    analysis = replace(made(), attribution=made_attribution(made()))
    assert json.loads(json_body(to_record(analysis, cells_record))) == to_record(analysis)


def test_json_refuses_a_number_that_is_not_finite() -> None:
    with pytest.raises(AnalysisFileError, match="not finite"):
        json_body({"a": [1.0, float("nan")]})


def test_an_analysis_comes_back_and_its_maps_are_those_of_the_json() -> None:
    analysis = made()
    analysis = replace(analysis, attribution=made_attribution(analysis))
    packed = from_record(unpack_atlases(pack_atlases(to_record(analysis, cells_record))))
    written = from_record(json.loads(json.dumps(to_record(analysis))))
    assert packed.predictions == analysis.predictions
    for signal in ("masks", "similarity"):
        for name, values in getattr(written, signal).items():
            np.testing.assert_array_equal(getattr(packed, signal)[name], values)
    np.testing.assert_array_equal(packed.part_maps["nose"].map, written.part_maps["nose"].map)
    assert packed.attribution is not None
    assert packed.attribution.grad_cam is not None
    assert packed.attribution.grad_cam.map.shape == (12, 16)


def test_files_stand_behind_all_maps() -> None:
    preview = {"type": "image/jpeg", "data": b"pixels"}
    body = pack_atlases({"preview": preview} | to_record(made(), cells_record))
    assert body.endswith(b"pixels")
    header = json.loads(body[16 : 16 + struct.unpack("<I", body[12:16])[0]])
    assert header["preview"]["length"] == len(preview["data"])
    ends = [
        atlas["offset"] + atlas["groups"] * atlas["height"] * atlas["width"]
        for atlas in header["masks"].values()
    ]
    assert max(ends) <= header["preview"]["offset"]


def body_of(header: object, planes: bytes = b"", version: int = 1, magic: bytes = MAGIC) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<8sII", magic, version, len(text)) + text + planes


ATLAS = {"groups": 2, "height": 1, "width": 2, "lo": 0.0, "hi": 1.0, "offset": 0}


def test_the_layout_is_the_documented_one() -> None:
    unpacked = unpack_atlases(body_of({"masks": {FINE: ATLAS}}, bytes([0, 51, 102, 255])))
    np.testing.assert_array_equal(unpacked["masks"][FINE]["cells"], [[[0, 51]], [[102, 255]]])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        MAGIC,
        body_of({}, magic=b"PNGATLAS"),
        body_of({}, version=2),
        body_of(b"{"),
        body_of(b"\xff"),
        body_of([]),
        body_of(b'{"lo": NaN}'),
        body_of(b'{"a":' + b"[" * 100_000),
        body_of({"masks": ATLAS}, bytes(3)),
        body_of({"masks": ATLAS | {"offset": -1}}, bytes(9)),
        body_of({"masks": ATLAS | {"groups": 0}}, bytes(9)),
        body_of({"masks": ATLAS | {"groups": True}}, bytes(9)),
        body_of({"masks": ATLAS | {"groups": 10**12}}, bytes(9)),
        body_of({"masks": ATLAS | {"height": 1.5}}, bytes(9)),
        body_of({"masks": ATLAS | {"width": None}}, bytes(9)),
        body_of({"preview": {"type": "image/png", "offset": 1, "length": 9}}, bytes(9)),
        body_of({"preview": {"type": "image/png", "offset": 0, "length": -1}}, bytes(9)),
        body_of({"preview": {"offset": 0, "length": 1}}, bytes(9)),
        pack_atlases(to_record(made(), cells_record))[:-1],
    ],
)
def test_other_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(AnalysisFileError, match="format=atlas"):
        unpack_atlases(body)


def test_a_number_that_is_not_finite_is_refused() -> None:
    with pytest.raises(AnalysisFileError, match="not finite"):
        pack_atlases({"masks": {COARSE: ATLAS | {"lo": float("nan")}}})
