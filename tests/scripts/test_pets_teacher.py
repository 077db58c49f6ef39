"""The classifier of the teacher of the 45 breeds."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from scripts.models.pets_data import LABELS, write_archive
from scripts.models.pets_teacher import fit_classifier, read_features
from sge.datasets.labelled import find_images
from sge.errors import ImageError
from sge.images.preprocess import Preprocess
from sge.models.card import Card
from sge.models.model import Model
from tests.drawn_images import noise


class Averages(torch.nn.Module):
    """Averages of the three channels, and of the left half of the first."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = torch.nn.Linear(4, len(LABELS))

    def forward(self, images):
        left = images[:, :1, :, : images.shape[3] // 2]
        return self.classifier(torch.cat([images.mean((2, 3)), left.mean((2, 3))], 1))


@pytest.fixture
def model():
    plain = Preprocess(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), whole=32)
    return Model("averages", Averages(), list(LABELS), Card(title="a", sentence="b"), plain, "averages")


def encoded(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def test_every_image_keeps_its_label_whatever_its_shape(tmp_path, model):
    """Images of one shape share a batch, which changes their order: each keeps its own label and both of its views."""
    images = {f"{number}.png": np.array(noise(32 + 16 * (number % 3), 32, number)) for number in range(9)}
    members = ((LABELS[number], name, encoded(image)) for number, (name, image) in enumerate(images.items()))
    write_archive(tmp_path / "train.tar", members)
    views = read_features(model, find_images(tmp_path / "train.tar"))
    assert sorted(label for label, _ in views) == sorted(LABELS[:9])
    for label, pair in views:
        image = images[f"{LABELS.index(label)}.png"] / 255
        for found, view in zip(pair, (image, image[:, ::-1]), strict=True):
            expected = [*view.mean((0, 1)), view[:, : view.shape[1] // 2, 0].mean()]
            np.testing.assert_allclose(found.numpy(), expected, atol=0.01)


def test_an_image_that_cannot_be_read_is_an_error(tmp_path, model):
    write_archive(tmp_path / "train.tar", iter([(LABELS[0], "a.png", b"no image")]))
    with pytest.raises(ImageError):
        read_features(model, find_images(tmp_path / "train.tar"))


def test_the_classifier_separates_what_can_be_separated():
    torch.manual_seed(0)
    centers = torch.randn(len(LABELS), 64)
    targets = torch.arange(len(LABELS)).repeat(6)
    features = centers[targets][:, None] + 0.3 * torch.randn(len(targets), 2, 64)
    linear = fit_classifier(features, targets)
    unseen = centers + 0.3 * torch.randn(len(LABELS), 64)
    assert (linear(features[:, 1]).argmax(1) == targets).all()
    assert (linear(unseen).argmax(1) == torch.arange(len(LABELS))).float().mean() > 0.95
    assert not linear.weight.requires_grad
