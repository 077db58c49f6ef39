"""Deltas are refused unless they are undamaged and fit the base network."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from sge.errors import CheckpointError
from sge.files import sha256_of
from sge.models.checkpoint import read_weights, write_weights
from sge.models.delta import (
    Base,
    Delta,
    DeltaFile,
    apply_delta,
    as_changes,
    check_base,
    difference,
    read_delta,
    write_delta,
)
from sge.models.efficientnet_lite import base_weights, load_base
from sge.nn.insertion.insert import insert_sge
from tests.models.conftest import BASE, BLOCK, CARD, GATE


@pytest.fixture
def network():
    return insert_sge(load_base(base_weights()))


def state_of(network):
    return {key: value.clone() for key, value in network.state_dict().items()}


def refused(network, delta: Delta, path) -> str:
    """Returns the message with which a delta is refused, and checks that the network is unchanged."""
    write_delta(path, delta)
    before = state_of(network)
    with pytest.raises(CheckpointError) as error:
        apply_delta(network, read_delta(path))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    return str(error.value)


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, -1])
def test_a_cut_off_delta(tmp_path, delta, kept):
    path = tmp_path / "mine.delta.safetensors"
    write_delta(path, delta)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept) if kept == 0.5 else kept])
    with pytest.raises(CheckpointError, match=r"mine\.delta\.safetensors (is empty|is cut off|has only)"):
        read_delta(path)


def test_a_changed_byte(tmp_path, delta):
    path = tmp_path / "mine.delta.safetensors"
    write_delta(path, delta)
    whole = bytearray(path.read_bytes())
    whole[-3] ^= 1
    path.write_bytes(whole)
    with pytest.raises(CheckpointError, match="damaged"):
        read_delta(path)


def test_other_safetensors(tmp_path):
    path = tmp_path / "a.delta.safetensors"
    save_file({"order/x": torch.zeros(2, dtype=torch.int32)}, path)
    with pytest.raises(CheckpointError, match="carries no checksum"):
        read_delta(path)
    write_weights(path, {"fc.weight": torch.zeros(2)}, {})
    with pytest.raises(CheckpointError, match=r"is no delta: it holds fc\.weight"):
        read_delta(path)
    for metadata in ({}, {"sge.arch": "a", "sge.base": {"package": "b"}}, {"sge.arch": "a", "sge.base": 3}):
        write_weights(path, {"order/x": torch.zeros(2, dtype=torch.int32)}, metadata)
        with pytest.raises(CheckpointError, match="does not say which weights it belongs to"):
            read_delta(path)
    write_weights(path, {"order/x": torch.zeros(2)}, {"sge.arch": "a", "sge.base": vars(BASE)})
    with pytest.raises(CheckpointError, match="not of whole numbers"):
        read_delta(path)
    with pytest.raises(CheckpointError, match="There is no weights file"):
        read_delta(tmp_path / "nowhere.delta.safetensors")


def test_another_base(tmp_path, delta):
    other = replace(delta, base=Base("some-weights", "2.0", "ab" * 32))
    file = DeltaFile(other, tmp_path / "x.delta.safetensors", "")
    with pytest.raises(CheckpointError, match=r"made for other weights .*some-weights 2\.0\. Install that"):
        check_base(file, BASE.sha256)
    check_base(replace(file, delta=delta), BASE.sha256)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("blocks.9.0.se.weight", torch.zeros(1, 48, 1, 1), r"blocks\.9\.0\.se\.weight is unknown"),
        (GATE, torch.zeros(1, 47, 1, 1), "is of another shape"),
        (GATE, torch.zeros(1, 48, 1, 1, dtype=torch.float64), "is of another shape or type"),
        (GATE, torch.full((1, 48, 1, 1), float("nan")), "is NaN or infinite"),
        (GATE, torch.full((1, 48, 1, 1), float("inf")), "is NaN or infinite"),
    ],
)
def test_state_that_does_not_fit(network, delta, tmp_path, key, value, says):
    says_ = refused(network, replace(delta, state={key: value}), tmp_path / "a.delta.safetensors")
    assert says.replace("\\", "") in says_
    assert "sge_efficientnet_lite0" in says_


@pytest.mark.parametrize(
    ("block", "permutation"),
    [
        (BLOCK, torch.zeros(96)),
        (BLOCK, torch.arange(95)),
        (BLOCK, torch.arange(96) + 1),
        (BLOCK, torch.arange(96).view(8, 12)),
        (BLOCK, -torch.arange(96)),
        ("blocks.0.0", torch.arange(32)),
        ("nothing", torch.arange(96)),
    ],
    ids=["constant", "short", "shifted", "matrix", "negative", "no SGE", "no block"],
)
def test_permutations_that_do_not_fit(network, delta, tmp_path, block, permutation):
    says = refused(
        network, replace(delta, permutations={block: permutation}), tmp_path / "a.delta.safetensors"
    )
    assert "does not fit sge_efficientnet_lite0" in says


def test_what_is_written_is_read(tmp_path, delta):
    path = tmp_path / "mine.delta.safetensors"
    write_delta(path, delta)
    read = read_delta(path)
    assert (read.delta.arch, read.delta.base, read.delta.card) == (delta.arch, delta.base, delta.card)
    assert torch.equal(read.delta.permutations[BLOCK], delta.permutations[BLOCK])
    assert all(torch.equal(read.delta.state[key], value) for key, value in delta.state.items())
    assert read.sha256 == sha256_of(path)


def test_a_delta_holds_exactly_the_difference(network, delta, tmp_path):
    write_delta(tmp_path / "a.delta.safetensors", delta)
    file = read_delta(tmp_path / "a.delta.safetensors")
    inactive = state_of(apply_delta(insert_sge(load_base(base_weights())), file.inactive()))
    tuned = apply_delta(network, file)
    again = difference(tuned, inactive)
    assert again.keys() == delta.state.keys()
    assert all(torch.equal(again[key], delta.state[key]) for key in again)


@pytest.mark.slow
def test_the_permutations_alone_leave_the_logits(network, delta, tmp_path):
    write_delta(tmp_path / "a.delta.safetensors", delta)
    file = read_delta(tmp_path / "a.delta.safetensors")
    x = torch.rand(1, 3, 96, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        plain = load_base(base_weights())(x)
        permuted = apply_delta(network, file.inactive())(x)
        tuned = apply_delta(insert_sge(load_base(base_weights())), file)(x)
    assert float((plain - permuted).abs().max()) < 1e-5 * float(plain.abs().max())
    assert float((plain - tuned).abs().max()) > 1e-2 * float(plain.abs().max())


@pytest.mark.parametrize("tuned", [True, False])
def test_a_delta_of_version_1_is_read(tmp_path, delta, tuned):
    path = tmp_path / "old.delta.safetensors"
    tensors = {f"order/{BLOCK}": delta.permutations[BLOCK].int()}
    if tuned:
        tensors |= {f"state/{key}": value for key, value in delta.state.items()}
    write_weights(path, tensors, {"sge.arch": delta.arch, "sge.base": vars(BASE), "sge.card": CARD})
    read = read_delta(path).delta
    assert torch.equal(read.permutations[BLOCK], delta.permutations[BLOCK])
    assert read.state.keys() == (delta.state.keys() if tuned else set())
    write_delta(path, read)
    assert read_weights(path).metadata["sge.version"] == 2
    assert torch.equal(read_weights(path).state[f"permutation/{BLOCK}"].long(), delta.permutations[BLOCK])


def test_a_delta_of_a_later_version_is_refused(tmp_path, delta):
    path = tmp_path / "new.delta.safetensors"
    metadata = {"sge.version": 4, "sge.arch": delta.arch, "sge.base": vars(BASE)}
    write_weights(path, {f"permutation/{BLOCK}": delta.permutations[BLOCK].int()}, metadata)
    with pytest.raises(CheckpointError, match=r"version 4 of the delta format; .* Install a newer SGE Lens"):
        read_delta(path)


PROJECTION = f"{BLOCK}.conv_pwl.weight"


def test_changes_are_added_to_the_permuted_base(network, delta, tmp_path):
    inactive = state_of(apply_delta(network, DeltaFile(replace(delta, state={}), tmp_path / "a", "")))
    noise = torch.randn(inactive[PROJECTION].shape, generator=torch.Generator().manual_seed(1)) / 100
    wanted = delta.state | {PROJECTION: inactive[PROJECTION] + noise}
    state, changes = as_changes(wanted, inactive, [PROJECTION])
    path = tmp_path / "mine.delta.safetensors"
    write_delta(path, replace(delta, state=state, changes=changes))
    stored = read_weights(path)
    assert (stored.metadata["sge.version"], stored.state[f"change/{PROJECTION}"].dtype) == (3, torch.float16)
    file = read_delta(path)
    tuned = state_of(apply_delta(insert_sge(load_base(base_weights())), file))
    # float16 rounds a number by at most 2**-11 of it, or by 2**-25 where it is tiny.
    error = (tuned[PROJECTION] - wanted[PROJECTION]).abs()
    assert bool((error <= noise.abs() * 2**-11 + 2**-24).all())
    assert all(torch.equal(tuned[key], value) for key, value in delta.state.items())
    again = state_of(apply_delta(insert_sge(load_base(base_weights())), file.inactive()))
    assert torch.equal(again[PROJECTION], inactive[PROJECTION])


def test_what_float16_does_not_hold_is_stored_whole():
    base = {"small": torch.zeros(2), "large": torch.zeros(2), "count": torch.tensor(1)}
    state = {"small": torch.tensor([1.0, -2.0]), "large": torch.tensor([7e4, 0.0]), "count": torch.tensor(5)}
    whole, changes = as_changes(state, base, base)
    assert whole == {key: state[key] for key in ("large", "count")}
    assert changes.keys() == {"small"}
    assert torch.equal(changes["small"].float(), state["small"])


def test_a_delta_without_changes_is_of_the_version_that_older_programs_read(tmp_path, delta):
    path = tmp_path / "mine.delta.safetensors"
    write_delta(path, delta)
    assert read_weights(path).metadata["sge.version"] == 2


@pytest.mark.parametrize(
    ("key", "change", "says"),
    [
        ("blocks.9.0.conv_pwl.weight", torch.zeros(1).half(), "is unknown"),
        (PROJECTION, torch.zeros(1).half(), "is of another shape or type"),
        (PROJECTION, torch.zeros(24, 96, 1, 1, dtype=torch.int8), "is of another shape or type"),
        (f"{BLOCK}.bn2.num_batches_tracked", torch.tensor(1.0).half(), "is of another shape or type"),
        (PROJECTION, torch.full((24, 96, 1, 1), float("inf")).half(), "is NaN or infinite"),
        (GATE, torch.zeros(1, 48, 1, 1).half(), "is stated twice"),
    ],
)
def test_changes_that_do_not_fit(network, delta, tmp_path, key, change, says):
    assert says in refused(network, replace(delta, changes={key: change}), tmp_path / "a.delta.safetensors")


def test_a_file_of_version_2_holds_no_changes(tmp_path, delta):
    path = tmp_path / "odd.delta.safetensors"
    metadata = {"sge.version": 2, "sge.arch": delta.arch, "sge.base": vars(BASE)}
    write_weights(path, {f"change/{PROJECTION}": torch.zeros(1)}, metadata)
    with pytest.raises(CheckpointError, match="is no delta: it holds change/"):
        read_delta(path)
