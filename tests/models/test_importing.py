"""Imports that are refused or fail leave the model folder as it was."""

from __future__ import annotations

import os

import pytest

from sge.errors import CheckpointError, ChoiceError
from sge.models.architectures import ARCHITECTURES
from sge.models.importing import import_weights
from sge.models.names import ORIGINAL_MODEL
from sge.models.registry import load_model, verify_model
from tests.weights import save


@pytest.mark.parametrize(
    "name", ["../evil", "a/b", "/etc/x", "", ".hidden", "-x", "a b", "a\nb", "nul\0", "x" * 101]
)
def test_a_name_that_is_no_file_name(home, small_file, name):
    with pytest.raises(ChoiceError, match="cannot be a model's name"):
        import_weights(small_file, name)
    assert not home.exists()


@pytest.mark.slow
def test_names_that_belong_to_others(home, small_file, tmp_path):
    with pytest.raises(CheckpointError, match="holds sge_resnet18, not sge_resnet50"):
        import_weights(small_file, "sge_resnet50")
    lite = save(tmp_path / "lite.pth", ARCHITECTURES[ORIGINAL_MODEL].build(num_classes=2).state_dict())
    for name in (None, ORIGINAL_MODEL):
        with pytest.raises(ChoiceError, match=r"comes with SGE Lens\. Choose another"):
            import_weights(lite, name)
    assert not home.exists()
    assert load_model(import_weights(lite, "my.lite-2").stem).arch == ORIGINAL_MODEL


@pytest.mark.slow
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_import_that_fails_leaves_the_models_as_they_were(home, small_file, monkeypatch, error):
    first = import_weights(small_file, "mine").read_bytes()

    def fail(*_args):
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    for name in ("mine", "other"):
        with pytest.raises((KeyboardInterrupt, CheckpointError)):
            import_weights(small_file, name)
    assert [path.name for path in home.iterdir()] == ["mine.safetensors"]
    assert (home / "mine.safetensors").read_bytes() == first
    assert verify_model("mine")


@pytest.mark.slow
def test_a_file_that_cannot_be_used_writes_nothing(home, small, tmp_path):
    state = dict(small.state_dict())
    state.pop("layer3.0.conv1.weight")
    with pytest.raises(CheckpointError, match=r"1 key is missing \(layer3\.0\.conv1\.weight\)"):
        import_weights(save(tmp_path / "less.pth", state), "mine")
    assert not home.exists()


@pytest.mark.slow
def test_a_model_folder_that_is_a_file(home, small_file):
    home.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"cannot be written .*SGE_MODEL_DIR"):
        import_weights(small_file, "mine")
