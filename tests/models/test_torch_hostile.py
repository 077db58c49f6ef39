"""Torch checkpoints that lie: about byte order, about values that were checked, and about what is quick."""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from sge.errors import CheckpointError
from sge.models import inert_pickle
from sge.models.checkpoint import read_weights
from sge.models.stand_ins import safe_key
from tests.models.test_torch_files import archived, saved, tensor_pickle


@pytest.mark.parametrize("count", ["little", "big"])
def test_a_checkpoint_without_zip_from_a_machine_of_the_other_byte_order(tmp_path, count):
    """torch writes the numbers as little-endian everywhere; older versions wrote their count in the machine's order."""
    state = {"a": torch.arange(5.0), "b": torch.arange(7)}
    path = saved(tmp_path / "x.pth", state, zipped=False)
    whole = path.read_bytes()
    mark = whole.index(b"\x88", whole.index(b"little_endian"))
    whole = whole[:mark] + b"\x89" + whole[mark + 1 :]
    for key, tensor in state.items():
        numbers = tensor.numpy().tobytes()
        assert torch.load(path)[key].equal(tensor)
        whole = whole.replace(
            struct.pack("<Q", len(tensor)) + numbers, len(tensor).to_bytes(8, count) + numbers
        )
    path.write_bytes(whole)
    read = read_weights(path).state
    assert all(read[key].equal(tensor) for key, tensor in state.items())
    path.write_bytes(whole.replace((5).to_bytes(8, count) + bytes(4), (4).to_bytes(8, count) + bytes(4)))
    with pytest.raises(CheckpointError, match="another number"):
        read_weights(path)


@pytest.mark.parametrize("dtype", [torch.qint8, torch.quint8, torch.qint32])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.filterwarnings("ignore")
def test_quantized_tensors_do_not_move_the_numbers_of_others(tmp_path, dtype, zipped):
    numbers = torch.arange(50.0)
    content = {"state_dict": {"a": numbers}, "other": torch.quantize_per_tensor(numbers, 0.1, 0, dtype)}
    content = {"first": content["other"], **content, "last": {"b": numbers}}
    assert read_weights(saved(tmp_path / "x.pth", content, zipped)).state["a"].equal(numbers)


@pytest.mark.parametrize("order", [b"BIG", b"big\n", b"", b"middle", b"\xff"])
def test_an_unknown_byte_order_is_not_guessed(tmp_path, order):
    path = archived(tmp_path / "x.pth", tensor_pickle(12, (3, 4), (4, 1)), {"0": bytes(48)})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x/byteorder", order)
    with pytest.raises(CheckpointError, match="byte order"):
        read_weights(path)


@pytest.mark.parametrize("name", ["shape", "stride", "offset", "dtype", "storage", "key", "numel", "odd"])
@pytest.mark.parametrize("value", [(-1,), -5, "text", None, (2**62, 2**62)])
def test_a_state_cannot_change_what_was_checked(tmp_path, name, value):
    good = tensor_pickle(12, (3, 4), (4, 1))
    state = pickle.dumps({name: value}, 2)[2:-1] + b"b"
    for end in (b"Q", b"R"):  # after the storage, and after the tensor
        at = good.rindex(end)
        path = archived(tmp_path / "x.pth", good[: at + 1] + state + good[at + 1 :])
        with pytest.raises(CheckpointError, match="damaged"):
            read_weights(path)


def test_whole_numbers_of_equal_hashes_do_not_fill_a_dictionary():
    modulus = np.iinfo(np.int64).max // 4  # 2^61 - 1, by which Python hashes whole numbers
    keys = {safe_key(int(modulus) * k + 1) for k in range(-200, 200)}
    assert len(keys) < 4
    assert {safe_key(k) for k in (0, True, 2**59, 1.5, "a", b"a", None)} == {
        0,
        True,
        2**59,
        1.5,
        "a",
        b"a",
        None,
    }


def test_a_pickle_of_too_many_classes_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(inert_pickle, "MAX_TYPES", 10)
    names = b"".join(b"cnumpy.dtypes\nA%dDType\n" % k for k in range(20))
    with pytest.raises(CheckpointError, match="damaged"):
        read_weights(archived(tmp_path / "x.pth", b"\x80\x02](" + names + b"e."))


@pytest.mark.parametrize("position", [2**40, 2**63 - 1, 2**63, 2**64 - 2])
def test_an_entry_far_beyond_the_file(tmp_path, position):
    path = archived(tmp_path / "x.pth", tensor_pickle(12, (3, 4), (4, 1)))
    whole = bytearray(path.read_bytes())
    entry, end = whole.index(b"PK\x01\x02"), whole.rindex(b"PK\x05\x06")
    extra = struct.pack("<HHQ", 1, 8, position)
    length = struct.unpack_from("<I", whole, end + 12)[0]
    struct.pack_into("<I", whole, end + 12, length + len(extra))
    (name,) = struct.unpack_from("<H", whole, entry + 28)
    struct.pack_into("<H", whole, entry + 30, len(extra))
    struct.pack_into("<I", whole, entry + 42, 2**32 - 1)
    whole[entry + 46 + name : entry + 46 + name] = extra
    path.write_bytes(whole)
    with pytest.raises(CheckpointError, match=r"x\.pth is damaged\."):
        read_weights(path)


def test_naming_a_module_of_torch_does_not_import_it(tmp_path, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(torch, "__getattr__", asked.append, raising=False)
    with pytest.raises(CheckpointError):
        read_weights(archived(Path(tmp_path) / "x.pth", b"\x80\x02]ctorch\n_a_lazy_module\na."))
    assert not asked


@pytest.mark.parametrize("change", [(b"FloatStorage", b"IntStorage"), (b"K\x0ct", b"K\x08t")])
def test_one_storage_with_two_types_or_sizes_is_refused(tmp_path, change):
    one = tensor_pickle(12, (2, 4), (4, 1))
    another = one[5:-1].replace(b"\x01\x00\x00\x00w", b"\x01\x00\x00\x00v")
    assert len(read_weights(archived(tmp_path / "x.pth", one[:-1] + another + b".")).state) == 2
    two = one[:-1] + another.replace(*change) + b"."
    with pytest.raises(CheckpointError, match="damaged"):
        read_weights(archived(tmp_path / "x.pth", two))
    numbers = torch.arange(8, dtype=torch.uint8)  # as numbers and as bytes, which torch writes
    content = {"a": numbers[2:], "c": numbers.untyped_storage()}
    assert read_weights(saved(tmp_path / "y.pth", content)).state["a"].equal(numbers[2:])
