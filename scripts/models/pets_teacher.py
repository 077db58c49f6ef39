"""Makes the teacher of ``sge_resnet18_pets``: the network of 1000 classes with a classifier for the 45 breeds.

    python -m scripts.models.pets_teacher OUT/train.tar OUT/teacher.safetensors

OUT/train.tar is written by ``python -m scripts.models.pets_data OUT``. Only the classifier is fitted, on the averaged
features of whole training images and of their mirror images. All other weights are those of ``sge_efficientnet_lite0``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
import typer
from torch import Tensor, nn

from scripts.common import decoded_each
from scripts.models.pets_data import LABELS, PETS_AGAIN
from sge.datasets import ImageFile, batches_of_one_shape, class_of, find_images
from sge.devices import autocast
from sge.images import frame
from sge.models import LITE0, ORIGINAL_MODEL, Model, load_torch_model, write_weights
from sge.nn import Capture
from sge.training.student import classifier_path

SIZE = 224
"""Shorter side of the teacher's input in pixels."""
BATCH = 16
SMOOTHING = 0.1
DECAY = 1e-4
STEPS = 300

Views = list[tuple[str, Tensor]]
"""Label of an image, and the averaged features of the image and of its mirror image, (2, C), float32."""


def main(train: Path, out: Path) -> None:
    """Fits the classifier and writes the teacher's weights."""
    model = load_torch_model(ORIGINAL_MODEL, finder=False)
    model = replace(model, preprocess=replace(model.preprocess, whole=SIZE, whole_temperature=1.0))
    files = [file for file in find_images(train) if PETS_AGAIN not in file.name]
    views = read_features(model, files)
    features = torch.stack([pair for _, pair in views])
    targets = torch.tensor([LABELS.index(label) for label, _ in views])
    linear = fit_classifier(features, targets)
    predicted = linear(features[:, 0]).argmax(1)
    typer.echo(
        f"top-1 on its own {len(targets)} training images: {(predicted == targets).float().mean():.3f}"
    )
    model.network.classifier = linear
    metadata = {"sge.arch": LITE0, "sge.labels": LABELS, "sge.preprocess": model.preprocess.to_record()}
    write_weights(out, model.network.state_dict(), metadata)


@torch.inference_mode()
def read_features(model: Model, files: list[ImageFile]) -> Views:
    """The features of whole images, in the order in which images of one shape fill batches.

    Raises:
        ImageError: an image cannot be read.
    """
    network = model.network.eval().to(memory_format=torch.channels_last)
    views: Views = []
    framed = (
        (class_of(file.name), torch.from_numpy(frame(image, model.preprocess, "whole").array))
        for file, image in decoded_each(files)
    )
    classifier = classifier_path(network)
    with Capture(network, (), inputs=(classifier,)) as capture:
        for group in batches_of_one_shape(framed, lambda named: named[1].shape, BATCH):
            batch = torch.stack([image for _, image in group])
            with autocast(torch.device("cpu"), "bfloat16"):
                network(torch.cat([batch, batch.flip(3)]).to(memory_format=torch.channels_last))
            plain, mirrored = capture.inputs[classifier].float().chunk(2)
            pairs = torch.stack([plain, mirrored], 1)
            views += [(label, pair) for (label, _), pair in zip(group, pairs, strict=True)]
    return views


def fit_classifier(features: Tensor, targets: Tensor) -> nn.Linear:
    """Fits a linear classifier by L-BFGS with label smoothing.

    A class of n images has the weight 1 / sqrt(n).

    Args:
        features: (images, views, C), float32.
        targets: (images,), class numbers.
    """
    count = torch.bincount(targets, minlength=len(LABELS)).clamp(min=1)
    weights = (1 / count.float()).sqrt()
    rows, repeated = features.flatten(0, 1).clone(), targets.repeat_interleave(features.shape[1])
    linear = nn.Linear(rows.shape[1], len(LABELS))
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    optimizer = torch.optim.LBFGS(linear.parameters(), max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(linear(rows), repeated, weights, label_smoothing=SMOOTHING)
        value = value + DECAY * linear.weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return linear.requires_grad_(False)


if __name__ == "__main__":
    typer.run(main)
