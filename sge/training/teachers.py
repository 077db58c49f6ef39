"""A teacher that looks at each crop: any classifier of the registry, timm, torchvision or a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn

from sge.errors import CheckpointError, UnknownModelError
from sge.images.framing import Preprocess
from sge.models.catalogue import model_names
from sge.models.labels import imagenet_labels
from sge.models.model import Card, Model
from sge.models.registry import load_model
from sge.training.student import classifier


class CropTeacher:
    """Logits and features of the student's own crops.

    Args:
        network: A classifier whose last linear layer makes its logits.
        preprocess: Its normalisation.
        classes: Its number of each class that the student learns.
        device: Where it runs.
    """

    def __init__(
        self, network: nn.Module, preprocess: Preprocess, classes: Sequence[int], device: torch.device
    ) -> None:
        self.network = network.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)
        self.preprocess = preprocess
        self.classes = torch.tensor(classes, device=device)
        self.features = classifier(network).in_features
        self._features: list[Tensor] = []
        classifier(network).register_forward_pre_hook(self._keep)

    def _keep(self, _linear: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._features = [inputs[0]]

    def __call__(self, images: Tensor, student: Preprocess) -> tuple[Tensor, Tensor]:
        """Logits over the student's classes (N, K) and features (N, C).

        Args:
            images: As the student gets them, (N, 3, h, w).
            student: How they were normalised.
        """

        def of(three: tuple[float, float, float]) -> Tensor:
            return torch.tensor(three, device=images.device).view(3, 1, 1)

        values = images * of(student.std) + of(student.mean)
        values = (values - of(self.preprocess.mean)) / of(self.preprocess.std)
        with torch.no_grad():
            logits = self.network(values).float()
        return logits[:, self.classes], self._features[0].float()


def any_teacher(name: str) -> Model:
    """A classifier by a name of the registry, ``timm:NAME``, ``torchvision:NAME``, or a weights file.

    A bare name is looked for in the registry, then in torchvision, then in timm. The latter two download weights.

    Raises:
        UnknownModelError: no such name.
        CheckpointError: the file cannot be used, or the weights cannot be downloaded.
    """
    kind, _, rest = name.rpartition(":")
    if kind not in ("", "timm", "torchvision") or (
        not kind and (name in model_names() or os.path.isfile(name))
    ):
        return load_model(name, finder=False)
    try:
        if kind != "timm" and rest in torchvision.models.list_models(torchvision.models):
            return _of_torchvision(rest)
        if kind != "torchvision" and rest in timm.list_models(pretrained=True):
            return _of_timm(rest)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"The weights of {rest} cannot be downloaded ({type(error).__name__}: {error}). Connect, or name a file."
        ) from error
    raise UnknownModelError(
        f"No teacher {name!r}: neither one of {', '.join(model_names())}, nor a file, nor a classifier of torchvision "
        "or timm."
    )


def _of_torchvision(name: str) -> Model:
    weights = torchvision.models.get_model_weights(name).DEFAULT
    transforms = weights.transforms()
    preprocess = Preprocess(mean=tuple(transforms.mean), std=tuple(transforms.std))
    network = torchvision.models.get_model(name, weights=weights)
    return Model(name, network, list(weights.meta["categories"]), _card(name), preprocess, name)


def _of_timm(name: str) -> Model:
    network = timm.create_model(name, pretrained=True)
    config: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]
    preprocess = Preprocess(mean=tuple(config["mean"]), std=tuple(config["std"]))
    return Model(name, network, imagenet_labels(), _card(name), preprocess, name)


def _card(name: str) -> Card:
    return Card(title=name, sentence="A teacher.")
