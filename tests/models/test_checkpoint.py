"""Hostile and damaged weights files, and what is read from and written to a good one."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from sge.errors import CheckpointError
from sge.files import sha256_of, write_atomically
from sge.models.checkpoint import digest, load_state, read_weights, write_weights
from sge.models.file_kinds import is_web_page
from sge.nn.resnet import SGE_RESNETS
from tests.weights import save

STATE = {"a.weight": torch.arange(1200.0).reshape(30, 40), "a.count": torch.tensor(3)}


FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


class RunsCode:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


class Evaluates(RunsCode):
    def __reduce__(self):
        return eval, (f"open({str(self.marker)!r}, 'w')",)


@FORMATS
@pytest.mark.parametrize("bomb", [RunsCode, Evaluates])
@pytest.mark.parametrize("where", ["whole", "beside", "inside"])
def test_a_checkpoint_that_wants_to_run_code_is_not_run(tmp_path, zipped, bomb, where):
    marker = tmp_path / "it_ran"
    code = bomb(marker)
    content = {
        "whole": code,
        "beside": {"state_dict": STATE, "best_acc": code},
        "inside": {"state_dict": STATE | {"b": code}},
    }
    path = save(tmp_path / "evil.pth.tar", content[where], zipped)
    with pytest.raises(
        CheckpointError, match=r"evil\.pth\.tar wants to run code .*(system|eval).*state_dict\(\)"
    ):
        read_weights(path)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()  # the bomb was live


@pytest.mark.parametrize("protocol", range(6))
def test_a_bare_pickle_is_not_run(tmp_path, protocol):
    marker = tmp_path / "it_ran"
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(RunsCode(marker), protocol))
    with pytest.raises(CheckpointError):
        read_weights(path)
    assert not marker.exists()


def test_a_pickle_named_safetensors_is_not_run(tmp_path):
    marker = tmp_path / "it_ran"
    path = save(tmp_path / "evil.safetensors", RunsCode(marker))
    with pytest.raises(CheckpointError, match="wants to run code"):
        read_weights(path)
    assert not marker.exists()


@FORMATS
@pytest.mark.parametrize("part", [0.0005, 0.01, 0.3, 0.7, 0.95, 0.9999])
def test_a_cut_off_checkpoint_is_refused(tmp_path, zipped, part):
    whole = save(tmp_path / "whole.pth", {"state_dict": STATE}, zipped).read_bytes()
    path = tmp_path / "cut.pth"
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(CheckpointError, match=r"cut\.pth (is|has only) .*(cut off|damaged|bytes).* again"):
        read_weights(path)


@given(st.integers(0, 6000), st.booleans())
@settings(max_examples=60, deadline=None)
def test_wherever_it_is_cut_it_is_refused(tmp_path_factory, at, zipped):
    folder = tmp_path_factory.mktemp("cut")
    whole = save(folder / "whole.pth", STATE, zipped).read_bytes()
    (folder / "cut.pth").write_bytes(whole[: min(at, len(whole) - 1)])
    with pytest.raises(CheckpointError):
        read_weights(folder / "cut.pth")


def test_a_flipped_bit_in_a_zipped_checkpoint_is_found(tmp_path):
    """torch itself reads such a file without an error."""
    path = save(tmp_path / "flipped.pth", STATE)
    whole = bytearray(path.read_bytes())
    at = whole.index(STATE["a.weight"].numpy().tobytes()) + 100
    whole[at] ^= 0x40
    path.write_bytes(whole)
    assert not torch.equal(torch.load(path, weights_only=True)["a.weight"], STATE["a.weight"])
    with pytest.raises(CheckpointError, match=r"flipped\.pth is damaged: the checksum of .* is wrong"):
        read_weights(path)


def test_a_zipped_checkpoint_without_checksums_is_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        path = save(tmp_path / "plain.pth", STATE)
    finally:
        torch.serialization.set_crc32_options(True)
    assert read_weights(path).state.keys() == STATE.keys()


@pytest.mark.parametrize("name", ["empty.pth.tar", "empty.safetensors"])
def test_an_empty_file(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(CheckpointError, match=f"{name} is empty"):
        read_weights(tmp_path / name)


@pytest.mark.parametrize(
    "page", [b"<!DOCTYPE html><html>quota", b"\r\n  <html lang=en>", b"\xef\xbb\xbf<!doctype HTML>"]
)
def test_a_web_page(tmp_path, page):
    path = tmp_path / "page.pth.tar"
    path.write_bytes(page)
    assert is_web_page(path)
    with pytest.raises(CheckpointError, match="is a web page, not weights"):
        read_weights(path)


@pytest.mark.parametrize(
    "content", [b"hello", b"\x80\x02}q\x00.", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", bytes(999)]
)
def test_something_else(tmp_path, content):
    path = tmp_path / "other.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"other\.pth"):
        read_weights(path)


def test_no_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(CheckpointError, match="There is no weights file"):
            read_weights(path)


@pytest.mark.parametrize(
    "content", [{}, [1, 2], torch.ones(3), {"state_dict": {}}, {"a": 1}, {"state_dict": {"a": 1.0}}, None]
)
def test_what_is_no_state_dict(tmp_path, content):
    with pytest.raises(CheckpointError, match="holds no state dict"):
        read_weights(save(tmp_path / "odd.pth", content))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.ones(1).expand(10**10, 2048),  # 80 TB once anyone copies it
        torch.ones(3, 3).to_sparse(),
        torch.ones(3, dtype=torch.complex64),
        torch.ones(3, device="meta"),
    ],
    ids=["claims_80_TB", "sparse", "complex", "meta"],
)
def test_tensors_that_are_not_plain_numbers(tmp_path, tensor):
    with pytest.raises(CheckpointError, match=r"not plain numbers: fc\.weight"):
        read_weights(save(tmp_path / "odd.pth", STATE | {"fc.weight": tensor}))


@FORMATS
@pytest.mark.parametrize(
    "acc",
    [77.5, torch.tensor(77.5), np.float64(77.5), np.float32(77.5), np.int64(77)],
    ids=lambda a: type(a).__name__,
)
def test_what_researchers_keep_beside_the_weights(tmp_path, zipped, acc):
    path = save(tmp_path / "c.pth.tar", {"state_dict": STATE, "acc": acc, "best_acc": acc}, zipped)
    assert read_weights(path).state.keys() == STATE.keys()


def test_numbers_that_an_older_numpy_has_pickled(tmp_path):
    path = save(tmp_path / "c.pth.tar", {"state_dict": STATE, "acc": np.float64(77.5)}, zipped=False)
    new = path.read_bytes()
    assert b"cnumpy._core.multiarray\nscalar" in new
    path.write_bytes(new.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
    assert read_weights(path).state.keys() == STATE.keys()


@FORMATS
def test_the_prefix_of_data_parallel_is_taken_off(tmp_path, zipped):
    both = {"module.a": torch.ones(2), "module.b": torch.ones(2)}
    assert list(read_weights(save(tmp_path / "a.pth", both, zipped)).state) == ["a", "b"]
    mixed = both | {"c": torch.ones(2)}
    assert list(read_weights(save(tmp_path / "b.pth", mixed, zipped)).state) == ["a", "b", "c"]
    save_file(both, tmp_path / "c.safetensors")
    assert list(read_weights(tmp_path / "c.safetensors").state) == ["a", "b"]


def test_what_is_written_comes_back(tmp_path):
    metadata = {"sge.labels": ["näse", 'a "b"'], "sge.card": {"x": 0.1, "y": [1, None]}}
    odd = STATE | {"half": torch.randn(3).half(), "wide": torch.randn(3, 4).t(), "none": torch.empty(0, 2)}
    path = tmp_path / "deep" / "er" / "w.safetensors"
    write_weights(path, odd, metadata)
    read = read_weights(path)
    assert read.metadata == metadata
    assert read.sha256 == sha256_of(path)
    assert read.digest == digest(odd, metadata)
    assert read.state.keys() == odd.keys()
    assert all(
        torch.equal(read.state[key], odd[key]) and read.state[key].dtype == odd[key].dtype for key in odd
    )
    assert [file.name for file in path.parent.iterdir()] == ["w.safetensors"]


def test_the_digest_tells_every_change_apart():
    base = digest(STATE, {"sge.labels": ["a", "b"]})
    changed = STATE["a.weight"].clone()
    changed[3, 4] = torch.nextafter(changed[3, 4], torch.tensor(1e9))
    others = [
        digest(STATE | {"a.weight": changed}, {"sge.labels": ["a", "b"]}),
        digest(STATE | {"a.weight": STATE["a.weight"].reshape(40, 30)}, {"sge.labels": ["a", "b"]}),
        digest(STATE | {"a.count": STATE["a.count"].int()}, {"sge.labels": ["a", "b"]}),
        digest({"b" + key: value for key, value in STATE.items()}, {"sge.labels": ["a", "b"]}),
        digest(STATE, {"sge.labels": ["b", "a"]}),
        digest(STATE, {}),
    ]
    assert len({base, *others}) == 7
    assert base == digest(dict(reversed(STATE.items())), {"sge.labels": ["a", "b"]})


@pytest.mark.parametrize("where", ["numbers", "label", "digest"])
def test_one_changed_byte_in_a_safetensors_file_is_found(tmp_path, where):
    path = tmp_path / "w.safetensors"
    write_weights(path, STATE, {"sge.labels": ["dog", "cat"]})
    whole = bytearray(path.read_bytes())
    needle = {
        "numbers": STATE["a.weight"].numpy().tobytes(),
        "label": b"dog",
        "digest": digest(STATE, {"sge.labels": ["dog", "cat"]}).encode(),
    }[where]
    whole[whole.index(needle) + 1] ^= 1
    path.write_bytes(whole)
    with pytest.raises(CheckpointError, match=r"w\.safetensors is damaged"):
        read_weights(path)


@pytest.mark.parametrize("part", [0.001, 0.1, 0.6, 0.999])
def test_a_cut_off_safetensors_file(tmp_path, part):
    path = tmp_path / "w.safetensors"
    write_weights(path, STATE, {"sge.labels": ["dog", "cat"]})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(
        CheckpointError, match=r"w\.safetensors (is cut off: it has [\d,]+ of 5,080|has only 5) bytes"
    ):
        read_weights(path)


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step, error):
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"old")

    def fail(*_args):
        raise error

    monkeypatch.setattr(os if step == "fsync" else Path, step, fail)
    expected = CheckpointError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as raised:
        write_weights(path, STATE, {})
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    if expected is CheckpointError:
        assert "No space left" in str(raised.value)
        assert "SGE_MODEL_DIR" in str(raised.value)


@pytest.mark.slow
def test_a_process_killed_while_it_writes_leaves_no_file_under_the_name(tmp_path):
    path = tmp_path / "w.safetensors"
    program = (
        "import os, signal, sys, pathlib, sge.files as files\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "files.write_atomically(pathlib.Path(sys.argv[1]), b'x' * 10_000_000)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == -9
    assert not path.exists()
    assert not list(tmp_path.glob("*.safetensors"))
    write_atomically(path, b"whole")
    assert path.read_bytes() == b"whole"


@pytest.fixture(scope="module")
def small() -> dict[str, torch.Tensor]:
    return SGE_RESNETS["sge_resnet18"](num_classes=4).state_dict()


def fitted(state: dict[str, torch.Tensor]) -> torch.nn.Module:
    network = SGE_RESNETS["sge_resnet18"](num_classes=4)
    load_state(network, state, "sge_resnet18")
    return network


def test_each_fault_has_its_own_sentence(small):
    state = dict(small)
    del state["layer2.0.bn1.weight"], state["layer2.0.bn1.bias"]
    state["extra.weight"] = torch.ones(2)
    state["conv1.weight"] = torch.ones(64, 3, 3, 3)
    with pytest.raises(CheckpointError) as error:
        fitted(state)
    said = str(error.value)
    assert "The weights do not fit sge_resnet18." in said
    assert "2 keys are missing (layer2.0.bn1.weight, layer2.0.bn1.bias)." in said
    assert "1 key is unexpected (extra.weight)." in said
    assert "1 key is of another shape (conv1.weight: (64, 3, 3, 3) instead of (64, 3, 7, 7))." in said


def test_long_lists_are_cut(small):
    with pytest.raises(CheckpointError, match=r"keys are missing \((\S+, ){3}\.\.\.\)"):
        fitted({"conv1.weight": small["conv1.weight"]})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_nan_and_infinity_are_refused(small, value):
    broken = small["bn1.running_var"].double().clone()
    broken[5] = value
    with pytest.raises(CheckpointError, match=r"1 key is NaN or infinite \(bn1\.running_var\)"):
        fitted(small | {"bn1.running_var": broken})


def test_a_refused_state_dict_leaves_the_network_unchanged(small):
    network = SGE_RESNETS["sge_resnet18"](num_classes=4)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(CheckpointError):
        load_state(network, small | {"x": torch.ones(1)}, "sge_resnet18")
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_counters_may_be_missing_and_half_precision_is_widened(small):
    state = {key: value for key, value in small.items() if not key.endswith("num_batches_tracked")}
    assert len(state) < len(small)
    network = fitted({key: value.half() for key, value in state.items()})
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    torch.testing.assert_close(network.conv1.weight.detach(), small["conv1.weight"], atol=1e-3, rtol=1e-3)
    tiny = {key: value.to(torch.float8_e4m3fn) for key, value in state.items()}
    assert fitted(tiny).fc.weight.detach().equal(tiny["fc.weight"].float())
