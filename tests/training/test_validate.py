"""The trainer's dev accuracy: unreadable images first, then agreement with ``sge.evaluation`` image by image."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch import nn

from sge.datasets.labelled import find_labelled
from sge.errors import TrainingError
from sge.evaluation.accuracy import evaluate, predict_set
from sge.images.framing import Preprocess
from sge.models.model import Card, Model
from sge.training.dataset import open_set
from sge.training.validate import UNREADABLE, accuracy, predictions
from tests.conftest import fill
from tests.drawn_images import encoded, noise, scene

CPU = torch.device("cpu")
CLASSES = ["a", "b", "c", "d"]
SIZES = ((40, 60), (300, 260), (900, 300), (257, 1200), (512, 512), (1000, 90))
"""Small, larger than what is kept for training, and beyond the aspect that is kept."""
PREPROCESS = Preprocess(size=64, resize=73)


@pytest.fixture(scope="module")
def model():
    """A linear classifier of pixels: a crop that is shifted or resized in another way changes its predictions."""
    network = fill(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, len(CLASSES))))
    return Model("dev", network, CLASSES, Card("t", "t"), PREPROCESS, "custom")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two images of each size in each class: a JPEG and a PNG."""
    root = tmp_path_factory.mktemp("set")
    for c, label in enumerate(CLASSES):
        (root / label).mkdir()
        for i, (width, height) in enumerate(SIZES):
            (root / label / f"{i}.jpg").write_bytes(encoded(noise(width, height, 10 * c + i), "JPEG"))
            (root / label / f"{i}.png").write_bytes(encoded(scene(width, height)))
    return root


def test_unreadable_images_do_not_count(model, folder, tmp_path, caplog):
    shutil.copytree(folder, tmp_path / "set")
    data = open_set([tmp_path / "set"], tmp_path / "store", ahead=False, evaluate_as=PREPROCESS)
    of_a = sorted((tmp_path / "set" / "a").iterdir())
    for path in of_a[:11]:
        path.write_bytes(b"no image")
    found = predictions(model.network, data, PREPROCESS, CPU, "float32")
    assert (found[:11] == UNREADABLE).all()
    assert (found[11:] != UNREADABLE).all()
    assert caplog.text.count("left out of the dev accuracy") == 11
    expected = float((found[11:] == torch.tensor(data.targets)[11:]).float().mean())
    assert accuracy(model.network, data, PREPROCESS, CPU, "float32") == pytest.approx(expected)
    assert caplog.text.count("left out of the dev accuracy") == 11  # each image is named once
    of_a[11].unlink()
    with pytest.raises(TrainingError, match="No dev image of a can be read any more"):
        accuracy(model.network, data, PREPROCESS, CPU, "float32")


@pytest.mark.slow
@pytest.mark.parametrize("ahead", [True, False])
def test_every_prediction_is_that_of_an_evaluation(model, folder, tmp_path, ahead):
    data = open_set([folder], tmp_path / "store", ahead=ahead, evaluate_as=PREPROCESS)
    found = predictions(model.network.train(), data, PREPROCESS, CPU, "float32")
    assert model.network.training
    model.network.eval()
    expected = {p.file.name: p.predicted for p in predict_set(model, find_labelled([folder]))}
    assert dict(zip(data.images.names, found.tolist(), strict=True)) == expected
    assert len(set(expected.values())) > 1
    measured = evaluate(model, folder).top1
    assert accuracy(model.network, data, PREPROCESS, CPU, "float32") == pytest.approx(measured)
