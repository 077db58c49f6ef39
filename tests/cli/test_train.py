"""``sge train``: what it refuses, what it writes, and what ``sge eval`` measures afterwards."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
import torchvision

import sge
from sge.errors import CheckpointError, DataError, MissingPackageError, OutputError, TrainingError
from sge.files import locked
from sge.models.checkpoint import read_weights
from sge.training.synthetic import make_shapes_dataset


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return make_shapes_dataset(tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "paper-imagenet"),
        (["imagewoof"], "Give the images"),
        (["smoke", "--attention", "magic"], "magic"),
        (["smoke", "--set", "teacher_weight=0.5"], "--teacher"),
        (["smoke", "--teacher", "sge_resnet18_dogs"], "No loss uses the teacher"),
        (["smoke", "--set", "rate=0.5"], "There is no setting|No setting"),
        (["smoke", "--dense", "layer3.0"], "BLOCK=TEACHER_BLOCK"),
        (["smoke", "--batch", "4000"], "fewer than a batch"),
    ],
)
def test_refused(sge_command, tmp_path, arguments, message):
    result = sge_command("train", *arguments, "--out", tmp_path / "out")
    assert result.exit_code != 0
    assert any(text in str(result.exception) for text in message.split("|"))


@pytest.mark.slow
def test_a_network_of_torchvision_is_trained_on_and_loads_again(sge_command, shapes, tmp_path):
    """Its dropout too follows the seed, so that two trainings are equal."""
    torch.manual_seed(0)
    start = tmp_path / "start.pth"
    torch.save(torchvision.models.mnasnet0_5(num_classes=9).state_dict(), start)
    imported = sge.import_weights(
        start, "mine", network="torchvision:mnasnet0_5", labels=list("abcdefghi"), folder=tmp_path
    )
    outs = [tmp_path / "one", tmp_path / "two"]
    for out in outs:
        options = ("--from", imported, "--epochs", 1, "--out", out)
        result = sge_command("train", "smoke", "--train", shapes[0], "--dev", shapes[1], *options)
        assert result.exit_code == 0, result.exception
    model = sge.load_model(outs[0] / "best.safetensors")
    assert model.description.kwargs["num_classes"] == len(model.labels) == 4
    assert len(sge.Lens(model).predict(next(shapes[1].rglob("*.png")))) == 4
    assert (
        read_weights(outs[0] / "best.safetensors").digest == read_weights(outs[1] / "best.safetensors").digest
    )


def test_a_missing_package_is_found_before_images_are_decoded(sge_command, shapes, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    out = tmp_path / "out"
    result = sge_command("train", "smoke", "--train", shapes[0], "--dev", shapes[1], "--out", out)
    assert isinstance(result.exception, MissingPackageError)
    assert "pip install 'sge-lens[train]'" in str(result.exception)
    assert not out.exists()


@pytest.mark.slow
def test_smoke_learns_and_eval_measures_the_same(sge_command, tmp_path):
    out = tmp_path / "out"
    result = sge_command("train", "smoke", "--out", out)
    assert result.exit_code == 0, result.exception
    best = Path(result.stdout.strip())
    card = read_weights(best).metadata["sge.card"]
    top1 = card["accuracy"][0]["top1"]
    assert top1 >= 0.6, "chance is a quarter"
    assert card["made_from"]["config"]["version"] == 2
    rows = (out / "log.csv").read_text().splitlines()
    assert rows[0].startswith("epoch,step,top1,best,loss,lr,")
    assert any((out / "tensorboard").iterdir())
    measured = sge_command("eval", out / "shapes" / "dev", "--model", best, "--json")
    assert measured.exit_code == 0, measured.exception
    assert json.loads(measured.stdout)["top1"] == pytest.approx(top1, abs=1e-4)


@pytest.mark.slow
def test_other_settings_in_the_same_folder_are_refused_by_name(sge_command, shapes, tmp_path):
    arguments = ("train", "smoke", "--train", shapes[0], "--dev", shapes[1], "--out", tmp_path, "--epochs", 1)
    assert sge_command(*arguments).exit_code == 0
    refused = sge_command(*arguments, "--lr", 0.5)
    assert isinstance(refused.exception, CheckpointError)
    assert "differs in lr (0.03 there, 0.5 here)" in str(refused.exception)


@pytest.fixture
def quick(sge_command, shapes, tmp_path):
    """A training of one epoch on a copy of the images, in ``tmp_path / "out"``."""
    images = tmp_path / "images"
    shutil.copytree(shapes[1], images)
    settings = ("--depth", 18, "--attention", "none", "--epochs", 1, "--batch", 8, "--device", "cpu")

    def run(*arguments, dev=images):
        sources = ("--train", images, "--dev", dev, "--out", tmp_path / "out")
        return sge_command("train", "smoke", *sources, *settings, *arguments)

    return run


@pytest.mark.parametrize("name", ["best.safetensors", "log.csv"])
def test_a_file_of_someone_else_is_not_replaced(quick, tmp_path, monkeypatch, name):
    monkeypatch.setattr("sge.training.run.open_set", lambda *_: pytest.fail("images were read first"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    refused = quick()
    assert isinstance(refused.exception, OutputError)
    assert f"{name} exists and was not written by a training" in str(refused.exception)
    assert (tmp_path / "out" / name).read_text() == "mine"


@pytest.mark.parametrize("option", ["--out", "--cache"])
def test_folders_that_cannot_be_made_are_usage_errors(quick, tmp_path, option):
    (tmp_path / "file").touch()
    assert quick(option, tmp_path / "file" / "deep").exit_code == 2


def test_a_second_training_in_one_folder_is_refused(quick, tmp_path):
    with locked(tmp_path / "out" / ".lock") as held:
        assert held
        refused = quick()
    assert isinstance(refused.exception, TrainingError)
    assert "Another training is running in" in str(refused.exception)


def test_a_full_disk_ends_a_training_with_a_sentence(quick, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sge.training.state.write_atomically", full)
    result = quick()
    assert isinstance(result.exception, TrainingError)
    assert "cannot be written to" in str(result.exception)
    assert "No space left on device" in str(result.exception)


@pytest.mark.slow
def test_other_images_are_refused_by_name(quick, shapes, tmp_path):
    assert quick().exit_code == 0
    images = tmp_path / "images"
    (images / "cross" / "00.png").rename(images / "cross" / "new.png")
    shutil.copytree(shapes[1], tmp_path / "dev")
    refused = quick(dev=tmp_path / "dev")
    assert isinstance(refused.exception, CheckpointError)
    assert "it differs in the names of the images." in str(refused.exception)
    (images / "cross" / "new.png").unlink()
    assert "the number of images (24 there, 23 here)" in str(quick(dev=tmp_path / "dev").exception)


@pytest.mark.slow
def test_a_class_that_vanishes_during_a_training_ends_it(quick, tmp_path, monkeypatch):
    """Decoded when they are needed, in this process and in others."""
    images = tmp_path / "images"
    shutil.copytree(images, tmp_path / "again")

    def vanish(*_):
        for image in (images / "square").iterdir():
            image.unlink(missing_ok=True)
        (images / "cross" / "01.png").unlink(missing_ok=True)

    monkeypatch.setattr("sge.training.run.Trainer.restore", vanish)
    for workers in (0, 1):
        vanished = quick("--decode", "each", "--workers", workers)
        assert vanished.exit_code == 1
        assert isinstance(vanished.exception, TrainingError | DataError)
        assert "No image of square" in str(vanished.exception)
        assert "Traceback" not in str(vanished.exception)
        assert not (tmp_path / "out" / "best.safetensors").exists()
        shutil.rmtree(images)
        shutil.copytree(tmp_path / "again", images)
