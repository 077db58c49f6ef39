"""Torch checkpoints: what torch reads is read bit for bit, and nothing that a pickle names is called."""

from __future__ import annotations

import argparse
import array
import collections
import datetime
import decimal
import fractions
import io
import pathlib
import pickle
import random
import struct
import tracemalloc
import uuid
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sge.errors import CheckpointError
from sge.models import inert_pickle
from sge.models.checkpoint import read_weights

STATE = {"a.weight": torch.arange(12.0).reshape(3, 4)}
DTYPES = (
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
)


def saved(path: Path, content: object, zipped: bool = True, protocol: int = 2) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    return path


@st.composite
def states(draw) -> dict[str, torch.Tensor]:
    """State dicts with views, shared storages, parameters, attributes, empty tensors and every usual dtype."""
    rng = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    base = torch.randint(0, 2**20, (240,), generator=rng)
    state = {}
    for i in range(draw(st.integers(1, 6))):
        flat = base.to(draw(st.sampled_from(DTYPES)))
        tensor = draw(
            st.sampled_from(
                [
                    flat,
                    flat[7:],
                    flat.reshape(12, 20).t(),
                    flat.reshape(4, 60)[1:3, ::3],
                    flat[5],
                    flat[:0],
                    flat[:1].expand(1),
                ]
            )
        )
        if tensor.is_floating_point():
            wrap = draw(st.sampled_from(["none", "parameter", "attribute"]))
            tensor = torch.nn.Parameter(tensor, draw(st.booleans())) if wrap == "parameter" else tensor
            if wrap == "attribute":
                tensor = torch.nn.Parameter(tensor)
                tensor.no_decay = True
        state[f"layer{i}.weight"] = tensor
        if draw(st.booleans()):
            state[f"tied{i}.weight"] = tensor
    return state


@given(states(), st.booleans())
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_torch_reads_is_read_bit_for_bit(tmp_path_factory, state, zipped):
    path = saved(tmp_path_factory.mktemp("same") / "x.pth", {"state_dict": state, "epoch": 3}, zipped)
    expected = torch.load(path, weights_only=True)["state_dict"]
    read = read_weights(path).state
    assert read.keys() == expected.keys()
    for key, tensor in expected.items():
        assert (read[key].dtype, read[key].shape) == (tensor.dtype, tensor.shape)
        assert torch.equal(read[key], tensor)


COMPANIONS = {
    "arrays": [np.zeros((2, 3), dtype) for dtype in "bhilqBHILQefdgFD?SU"],
    "object array": np.array([1, "a"], object),
    "record array": np.zeros(2, [("a", "f4")]),
    "date": np.datetime64("2020-01-01"),
    "numbers": [np.dtype(code).type(1) for code in "bhilqBHILQefdgFD?"],
    "dtypes": [np.dtype("f4"), np.float32, torch.float16, np.dtype([("a", "i2")])],
    "rng": [np.random.get_state(), random.getstate(), torch.get_rng_state(), np.random.default_rng(0)],
    "rng state": np.random.RandomState(0),
    "namespace": argparse.Namespace(lr=0.1, data=pathlib.Path("/x"), more=argparse.Namespace()),
    "paths": [pathlib.PurePosixPath("/x"), pathlib.PureWindowsPath("c:/x")],
    "times": [
        datetime.datetime.now(datetime.UTC),
        datetime.date.today(),
        datetime.timedelta(1),
        datetime.time(1),
    ],
    "dicts": [collections.OrderedDict(a=1), collections.defaultdict(list, a=[1]), collections.Counter("aab")],
    "sets": [{1, 2}, frozenset("ab"), set()],
    "slice": [slice(1, None), range(3)],
    "torch": [torch.Size([1, 2]), torch.device("cuda:1"), torch.__version__],
    "exact": [fractions.Fraction(1, 3), decimal.Decimal("1.5"), 10**60, 1 + 2j],
    "uuid": uuid.uuid4(),
    "deque": collections.deque([1, 2], maxlen=3),
    "bytes": [b"abc", bytearray(b"abc"), array.array("d", [1.0])],
    "keys": {(1, 2): 3, None: 4, 5: 6, frozenset("a"): 7, 1.5: 8},
    "sparse": torch.ones(3, 3).to_sparse(),
    "complex": torch.ones(3, dtype=torch.complex64),
    "quantized": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_harmless_companions_of_every_kind_are_passed_over(tmp_path, zipped, protocol):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, value in COMPANIONS.items():
            path = saved(
                tmp_path / "x.pth", {"args": value, "state_dict": STATE, "again": [value]}, zipped, protocol
            )
            state = read_weights(path).state
            assert list(state) == ["a.weight"], name
            assert torch.equal(state["a.weight"], STATE["a.weight"]), name


class Mine:
    """A class of the user's own."""


class Color:
    """Stands for an enumeration, which is rebuilt by a call."""

    def __reduce__(self):
        return Mine, ()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"state_dict": STATE, "hp": Mine()}, r"Mine.*weights_only=False\); torch\.save\(c\['state_dict'\]"),
        (
            {"model": torch.nn.Linear(2, 2)},
            r"torch\.nn\.modules\.linear\.Linear.*c\['model'\]\.float\(\)\.state_dict\(\)",
        ),
        (torch.nn.Linear(2, 2), r"Linear.*torch\.save\(c\.state_dict\(\)"),
        ({**STATE, "x": Mine()}, r"Mine.*torch\.is_tensor"),
        ({"state_dict": STATE, "hp": [Color(), pathlib.Path]}, r"Mine, which only code of theirs"),
        ({"state_dict": STATE, "hp": torch.optim.SGD}, r"torch\.optim\.sgd\.SGD"),
    ],
)
def test_other_objects_are_refused_by_name_with_a_way_on(tmp_path, content, sentence):
    for zipped in (True, False):
        with pytest.raises(CheckpointError, match=sentence):
            read_weights(saved(tmp_path / "x.pth", content, zipped))


def archived(path: Path, pickled: bytes, storages: dict[str, bytes] | None = None, **options: int) -> Path:
    """Writes a zipped checkpoint by hand."""
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("x/data.pkl", pickled)
        for key, content in (storages or {"0": bytes(48)}).items():
            archive.writestr(f"x/data/{key}", content)
        archive.writestr("x/version", b"3\n")
    return path


def tensor_pickle(
    numel: int, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0, key: str = "0"
) -> bytes:
    """The pickle of ``{"w": tensor}`` with claims about its storage that may be false."""

    class Claims:
        def __reduce__(self):
            arguments = (Stored(), offset, size, stride, False, collections.OrderedDict())
            return torch._utils._rebuild_tensor_v2, arguments

    class Stored:
        """Becomes a persistent id."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            return ("storage", torch.FloatStorage, key, "cpu", numel) if isinstance(obj, Stored) else None

    out = io.BytesIO()
    Pickler(out, 2).dump({"w": Claims()})
    return out.getvalue()


@pytest.mark.parametrize(
    ("numel", "size", "stride", "offset", "key"),
    [
        (10**9, (3, 4), (4, 1), 0, "0"),
        (12, (10**6, 10**6), (0, 0), 0, "0"),
        (12, (3, 5), (5, 1), 0, "0"),
        (12, (3, 4), (4, 1), 1, "0"),
        (12, (2, 2), (11, 2), 0, "0"),
        (12, (3, 4), (4,), 0, "0"),
        (12, (3, -4), (4, 1), 0, "0"),
        (12, (3, 2**70), (4, 1), 0, "0"),
        (12, (1,) * 40, (1,) * 40, 0, "0"),
        (12, (3, 4), (4, 1), 0, "1"),
        (12, (3, 4), (4, 1), 0, "../../x"),
        (-1, (3, 4), (4, 1), 0, "0"),
    ],
)
def test_tensors_that_claim_what_the_file_does_not_hold(tmp_path, numel, size, stride, offset, key):
    path = archived(tmp_path / "x.pth", tensor_pickle(numel, size, stride, offset, key))
    with pytest.raises(
        CheckpointError, match=r"^x\.pth (is damaged|holds tensors that are not plain numbers)"
    ):
        read_weights(path)


def test_the_handmade_checkpoint_is_read_if_its_claims_are_true(tmp_path):
    numbers = np.arange(12, dtype="<f4")
    path = archived(tmp_path / "x.pth", tensor_pickle(12, (3, 4), (4, 1)), {"0": numbers.tobytes()})
    assert torch.equal(read_weights(path).state["w"], torch.from_numpy(numbers).reshape(3, 4))


def called(function: object, *arguments: object) -> bytes:
    """The pickle of ``{"w": function(*arguments)}``."""

    class Call:
        def __reduce__(self):
            return function, arguments

    return pickle.dumps({"w": Call()}, 2)


DEEP = b"\x80\x02}(" + b")" + b"\x85" * 300_000 + b"K\x01u."
DOUBLED = b"\x80\x02}()" + b"2\x86" * 4000 + b"K\x01u."
BOMBS = {
    "bytearray": called(bytearray, 10**12),
    "array": called(np._core.multiarray._reconstruct, np.ndarray, (10**12,), b"b"),
    "bytes of zeros": called(bytes, 10**12),
    "range in a list": called(list, range(10**12)),
    "a codec": called(__import__("_codecs").encode, "a" * 10_000, "idna"),
    "decimal": called(decimal.Decimal, "1e999999999"),
    "fraction": called(fractions.Fraction, "1e99999999"),
    "tuples in a key": DEEP,
    "doubled tuples in a key": DOUBLED,
    "doubled tuples in a set": b"\x80\x04\x8f(" + b")" + b"2\x86" * 4000 + b"\x90.",
    "frozen set of doubled tuples": b"\x80\x04(" + b")" + b"2\x86" * 4000 + b"\x91.",
    "a memo far away": b"\x80\x02}r\xff\xff\xff\x7f.",
    "a long text that is not there": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "long bytes that are not there": b"\x80\x04\x8e" + struct.pack("<Q", 10**12) + b"abc.",
    "a bytearray that is not there": b"\x80\x05\x96" + struct.pack("<Q", 10**12) + b"abc.",
    "a frame that is not there": b"\x80\x04\x95" + struct.pack("<Q", 10**12) + b"}.",
    "a long number": b"\x80\x02L" + b"9" * 50_000 + b"L\n.",
    "an extension": b"\x80\x02\x82\x01.",
    "a call of a text": b"\x80\x02X\x01\x00\x00\x00a)R.",
    "a state for a dictionary": b"\x80\x02}}b.",
    "one list copied again and again": b"\x80\x02ccollections\nOrderedDict\nq\x00"
    + b"]("
    + b"}" * 5000
    + b"eq\x01"
    + b"h\x00h\x01\x85R" * 2000
    + b".",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_do_not_go_off(tmp_path, bomb, monkeypatch):
    monkeypatch.setattr(inert_pickle, "MAX_OPERATIONS", 400_000)
    path = archived(tmp_path / "x.pth", BOMBS[bomb])
    if traced := "tuples" not in bomb and "copied" not in bomb:  # tracing many small objects is slow
        tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match=r"^x\.pth (is|holds|wants) .*\.$"):
            read_weights(path)
        assert not traced or tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


def test_a_pickle_of_too_many_objects_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(inert_pickle, "MAX_OPERATIONS", 1000)
    for pickled in (
        b"\x80\x02" + b"]" * 5000 + b".",
        b"\x80\x04\x95" + struct.pack("<Q", 5001) + b"]" * 5000 + b".",
    ):
        with pytest.raises(CheckpointError, match="millions of objects"):
            read_weights(archived(tmp_path / "x.pth", pickled))


def test_archives_that_torch_does_not_write(tmp_path):
    good = tensor_pickle(12, (3, 4), (4, 1))
    with pytest.raises(CheckpointError, match="did not write like this"):
        read_weights(
            archived(tmp_path / "a.pth", good, {"0": bytes(10**6)}, compression=zipfile.ZIP_DEFLATED)
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(archived(tmp_path / "b.pth", good), "a") as archive:
            archive.writestr("x/data.pkl", called(bytearray, 10**12))
    with pytest.raises(CheckpointError, match="did not write like this"):
        read_weights(tmp_path / "b.pth")


def test_numbers_of_the_other_byte_order(tmp_path):
    numbers = np.arange(12, dtype=">f4")
    path = archived(tmp_path / "x.pth", tensor_pickle(12, (3, 4), (4, 1)), {"0": numbers.tobytes()})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x/byteorder", b"big")
    assert torch.equal(read_weights(path).state["w"], torch.arange(12.0).reshape(3, 4))


@given(st.binary(max_size=300), st.integers(0, 5))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_in_place_of_the_pickle_give_a_sentence(tmp_path_factory, noise, protocol):
    folder = tmp_path_factory.mktemp("noise")
    begin = pickle.dumps({"a": [1, (2.5, "x"), {"b": None}]}, protocol)
    for pickled in (
        b"\x80" + bytes([protocol]) + noise,
        begin[:-1] + noise + b".",
        begin[: len(noise) % len(begin)] + noise,
    ):
        with pytest.raises(CheckpointError, match=r"^x\.pth .*\.$"):
            read_weights(archived(folder / "x.pth", pickled))
