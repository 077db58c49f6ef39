"""Models by name: unknown names, imported and shipped files, their verification, and part finders."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from sge.errors import CheckpointError, FinderError, SGEError, UnknownModelError
from sge.files import sha256_of
from sge.models.checkpoint import read_weights
from sge.models.efficientnet_lite import base_weights
from sge.models.importing import import_weights
from sge.models.names import ORIGINAL_MODEL
from sge.models.registry import (
    FileEntry,
    PretrainedEntry,
    entries,
    finder_file,
    load_model,
    model_names,
    pretrained_model,
    shipped_entries,
    verify_model,
)
from sge.parts.finder import Finder
from sge.paths import shipped
from tests.weights import logits_of

SHIPPED = shipped("weights") / f"{ORIGINAL_MODEL}.parts.json"


@pytest.mark.slow
def test_unknown_names_list_the_names(small_file):
    import_weights(small_file, "mine")
    with pytest.raises(UnknownModelError) as error:
        load_model("nobody")
    assert (
        str(error.value)
        == "No model 'nobody'; there are: mine, sge_efficientnet_lite0, sge_efficientnet_lite0_tuned, "
        "sge_resnet18_dogs, sge_resnet18_pets."
    )
    with pytest.raises(UnknownModelError, match="sge_resnet101 is an architecture: give its weights file"):
        load_model("sge_resnet101")
    with pytest.raises(UnknownModelError, match="there are: mine"):
        verify_model("nobody")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/", "no\0body", "models/", "ä" * 300, "x" * 5000], ids=range(8)
)
def test_names_that_are_no_models(name):
    with pytest.raises(SGEError):
        load_model(name)


@pytest.mark.parametrize("name", ["missing.pth.tar", "missing.safetensors", "a/b.pt"])
def test_a_missing_path_is_reported_as_a_path(name):
    with pytest.raises(CheckpointError, match="There is no weights file"):
        load_model(name)


@pytest.mark.slow
def test_an_imported_model_is_listed_loaded_and_verified(home, small, small_file):
    path = import_weights(small_file, "mine")
    assert path == home / "mine.safetensors"
    assert list(home.iterdir()) == [path]
    assert entries()["mine"] == FileEntry("mine", "imported", path)
    assert model_names() == ["mine", *shipped_entries()]
    model = load_model("mine")
    assert (model.name, model.arch) == ("mine", "sge_resnet18")
    assert torch.equal(logits_of(model.network), logits_of(small))
    verified = verify_model("mine")
    assert verified.file == str(path)
    assert verified.sha256 == read_weights(path).sha256 == model.card.sha256


@pytest.mark.slow
def test_a_damaged_import_is_found_by_verifying_and_by_loading(home, small_file):
    path = import_weights(small_file, "mine")
    whole = bytearray(path.read_bytes())
    whole[-1000] ^= 0x10
    path.write_bytes(whole)
    for use in (verify_model, load_model):
        with pytest.raises(CheckpointError, match=r"mine\.safetensors is damaged"):
            use("mine")
    assert load_model(ORIGINAL_MODEL).name == ORIGINAL_MODEL  # the others still work


@pytest.mark.slow
def test_a_file_without_a_checksum_is_not_verified(home, small):
    home.mkdir()
    save_file(small.state_dict(), home / "foreign.safetensors")
    assert load_model("foreign").arch == "sge_resnet18"
    with pytest.raises(CheckpointError, match="carries no checksum"):
        verify_model("foreign")


@pytest.mark.slow
def test_every_shipped_card_has_a_model_that_loads_and_agrees_with_it():
    for name, entry in shipped_entries().items():
        model = load_model(name)
        assert replace(model.card, sha256=None) == replace(entry.card, sha256=None)
        assert model.inactive == (model.card.gates == "inactive")
        assert model.network(torch.zeros(1, 3, 64, 64)).shape == (1, len(model.labels))
        verified = verify_model(name)
        assert verified.file == str(entry.path)
        assert verified.sha256 == sha256_of(entry.path) == model.card.sha256
        if isinstance(entry, PretrainedEntry):
            assert len(model.labels) == 1000
            assert sha256_of(base_weights()) == pretrained_model(name).published.sha256
        json.dumps(model.card.to_dict())


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A copy of the shipped finder in the user's model folder."""
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path))
    return shutil.copy(SHIPPED, tmp_path / SHIPPED.name)


def test_a_finder_for_other_permutations_is_refused(own):
    finder = replace(Finder.load(own), permutations="0" * 64)
    finder.save(own)
    with pytest.raises(FinderError, match="Fit one on this model"):
        load_model(ORIGINAL_MODEL)
    assert load_model(ORIGINAL_MODEL, finder=False).finder is None


def test_a_damaged_finder_is_refused(own):
    own.write_text("{}")
    with pytest.raises(FinderError, match="is not a part finder"):
        load_model(ORIGINAL_MODEL)


def test_the_users_own_finder_takes_precedence(own):
    assert finder_file(ORIGINAL_MODEL) == own
    own.unlink()
    assert finder_file(ORIGINAL_MODEL) == SHIPPED
    assert finder_file("nobody") is None


def test_the_shipped_finder_belongs_to_the_shipped_model():
    model = load_model(ORIGINAL_MODEL)
    assert model.finder is not None
    assert set(model.finder.readouts) == {"nose", "eye"}
    assert model.finder.permutations == model.permutations
    assert model.finder.size == model.preprocess.whole
    readouts = [row for row in model.finder.measured if "by" not in row]
    assert {row["part"] for row in readouts} == {"nose", "eye"}
    assert {row["by"] for row in model.finder.measured if "by" in row} == set(model.finder.detectors)
