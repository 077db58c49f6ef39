"""Record files: every kind of damage is told, and arrays keep values, shapes and dtypes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sge.datasets.record_file import RecordFile, RecordWriter
from sge.errors import DataError

FIRST = [np.arange(6, dtype=np.float16).reshape(2, 3), np.array([[1, -2]], np.int8)]
SECOND = [np.zeros((1, 1), np.float16), np.array([[3]], np.int8)]


@pytest.fixture
def written(tmp_path):
    with RecordWriter(tmp_path / "deep" / "records", ["float16", "int8"]) as writer:
        writer.add(SECOND, 1)
        writer.add(FIRST, 0)
        writer.finish("key", {"names": ["a", "b"]})
    return tmp_path / "deep" / "records"


@pytest.mark.parametrize(
    "damage", ["gone", "empty", "cut", "longer", "no index", "odd index", "empty index", "version", "offsets"]
)
def test_damage(written, damage):
    index = written.with_name("records.json")
    facts = json.loads(index.read_text())
    if damage == "gone":
        written.unlink()
    elif damage == "empty":
        written.write_bytes(b"")
    elif damage == "cut":
        written.write_bytes(written.read_bytes()[:-1])
    elif damage == "longer":
        written.write_bytes(written.read_bytes() + b"x")
    elif damage == "no index":
        index.unlink()
    elif damage == "version":
        index.write_text(json.dumps(facts | {"version": 1}))
    elif damage == "offsets":
        index.write_text(json.dumps(facts | {"records": [[0, [[2, 3]]]]}))
    else:
        index.write_text(json.dumps([] if damage == "odd index" else {}))
    with pytest.raises(DataError, match=r"Delete records\.json and start again"):
        RecordFile(written)


def test_another_key(written):
    with pytest.raises(DataError, match="other images or settings"):
        RecordFile(written, "other")
    assert RecordFile(written).key == RecordFile(written, "key").key == "key"


def test_an_interrupted_writer_leaves_nothing_to_open(written):
    with RecordWriter(written, ["float16", "int8"]) as writer:
        writer.add(FIRST)
    with pytest.raises(DataError):
        RecordFile(written)


def test_arrays_stay_as_they_are(written):
    records = RecordFile(written, "key")
    assert (len(records), records.facts) == (2, {"names": ["a", "b"]})
    for number, arrays in enumerate((FIRST, SECOND)):
        for stored, array in zip(records.arrays(number), arrays, strict=True):
            assert stored.dtype == array.dtype
            np.testing.assert_array_equal(stored, array)
    records.arrays(0)[0][:] = 7
    np.testing.assert_array_equal(records.arrays(0)[0], FIRST[0])
