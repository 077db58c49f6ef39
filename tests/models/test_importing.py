"""Imports that are refused or fail leave the model folder as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sge.errors import CheckpointError, ChoiceError
from sge.images import Preprocess
from sge.models.architectures import ARCHITECTURES
from sge.models.checkpoint import Weights, write_weights
from sge.models.importing import import_weights
from sge.models.model_file import model_from_weights
from sge.models.names import ORIGINAL_MODEL
from sge.models.registry import load_model, verify_model
from tests.weights import save


@pytest.mark.parametrize(
    "name", ["../evil", "a/b", "/etc/x", "", ".hidden", "-x", "a b", "a\nb", "nul\0", "x" * 101, "mine.delta"]
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


HOSTILE = {
    "sge.labels": [[1, 2, 3, 4], ["a", "b", "c", "x" * 1_000_000], ["a", "b", "c", "d\x1b[2J"], {"a": 1}],
    "sge.preprocess": [{"size": 10**9}, {"std": [0, 0, 0]}, {"mean": ["a", "b", "c"]}, {"mean": [0.5]}, [1]],
    "sge.card": [
        {"title": ["a"], "sentence": "b"},
        {"title": "a", "sentence": "b", "accuracy": 3},
        {"title": "a", "sentence": "b", "opens_with": {"block": "layer9.9", "group": 0}},
        "x",
    ],
    "sge.arch": [["sge_resnet18"], "sge_resnet50"],
}


def in_memory(state: dict[str, torch.Tensor], **metadata: object) -> Weights:
    """The content of a file that need not be written: 45 MB a case would be slow."""
    return Weights(state, metadata, "", Path("odd.safetensors"), None)


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in HOSTILE.items() for value in values]
)
def test_metadata_are_checked_as_a_whole(small, key, value):
    with pytest.raises(CheckpointError, match=r"^odd\.safetensors.*\.$") as error:
        model_from_weights(in_memory(small.state_dict(), **{key: value}), "mine")
    assert len(str(error.value)) < 500


@pytest.mark.slow
def test_nothing_is_stored_of_a_file_with_metadata_that_cannot_be_used(home, small, tmp_path):
    write_weights(tmp_path / "odd.safetensors", small.state_dict(), {"sge.card": HOSTILE["sge.card"][2]})
    with pytest.raises(CheckpointError, match=r"names the block layer9\.9"):
        import_weights(tmp_path / "odd.safetensors", "mine")
    assert not home.exists()


@pytest.mark.parametrize("text", ['{"mean": [NaN, 0, 0]}', '{"size": 1e999}', "{", "[" * 9999, "9" * 9999])
def test_metadata_that_are_no_json_with_finite_numbers(tmp_path, text):
    save_file({"a": torch.ones(1)}, tmp_path / "odd.safetensors", {"sge.preprocess": text})
    with pytest.raises(
        CheckpointError, match=r"odd\.safetensors, entry sge\.preprocess: .* no JSON with finite"
    ):
        import_weights(tmp_path / "odd.safetensors", "mine")


SIZES = {
    "fc.weight": [(10**9, 0), (0, 512), (4,), (10**6, 1), ()],
    "layer1.0.sge.weight": [(1, 0, 1, 1), (1, 10**9, 0, 1), (10**6,), (), (1, 64, 0, 0)],
}


@pytest.mark.parametrize(
    ("key", "shape"), [(key, shape) for key, shapes in SIZES.items() for shape in shapes]
)
def test_shapes_that_claim_a_giant_network(small, key, shape):
    with pytest.raises(CheckpointError, match=r".*\.$"):
        model_from_weights(in_memory(small.state_dict() | {key: torch.zeros(shape)}))


@pytest.mark.slow
def test_notes_labels_and_preprocessing_are_stored(home, small, tmp_path):
    averaged = {
        key: value * 0.5 if value.is_floating_point() else value for key, value in small.state_dict().items()
    }
    path = save(tmp_path / "run.pth", {"state_dict": small.state_dict(), "state_dict_ema": averaged})
    plain = load_model(import_weights(path, "plain"))
    assert torch.equal(plain.network.conv1.weight, small.conv1.weight)
    for words in (
        "entry 'state_dict' of run.pth",
        "state_dict_ema",
        "names no labels",
        "states no preprocessing",
    ):
        assert any(words in note for note in plain.card.notes), words
    made = Preprocess(size=160, resize=184)
    given = load_model(import_weights(path, "given", labels=list("abcd"), preprocess=made, weights_key="ema"))
    assert torch.equal(given.network.conv1.weight, small.conv1.weight * 0.5)
    assert (given.labels, given.preprocess) == (list("abcd"), made)
    assert not any("assumed" in note or "labels" in note for note in given.card.notes)
    assert any("state_dict_ema" in note for note in given.card.notes)
    assert load_model("given").card == given.card
    assert verify_model("given")
