"""Teachers for distillation: a classifier on each crop, stored maps of whole images, or the network itself."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn

from sge.errors import CheckpointError, ChoiceError, UnknownModelError
from sge.images import Preprocess
from sge.models import Card, Model, digest, imagenet_labels, load_torch_model, model_names
from sge.nn import Capture, fast_format, sge_blocks
from sge.training.loader import TargetGrid
from sge.training.student import classifier, classifier_path
from sge.training.teacher_maps import TeacherMaps

IMAGENET_CLASSES = 1000


class CropTeacher:
    """A classifier that runs on the student's own crops.

    Args:
        network: A classifier whose last linear layer gives its logits.
        preprocess: Its normalization.
        classes: For each class of the student, the index of the teacher's class.
        device: Where it runs.
    """

    def __init__(
        self, network: nn.Module, preprocess: Preprocess, classes: Sequence[int], device: torch.device
    ) -> None:
        self.digest = digest(network.state_dict(), {})
        """Hash of its weights."""
        self.network = network.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)
        self.preprocess = preprocess
        self.classes = torch.tensor(classes, device=device)
        self.features = classifier(network).in_features
        """Length of its penultimate features."""
        self._classifier = classifier_path(network)

    def __call__(self, images: Tensor, preprocess: Preprocess) -> tuple[Tensor, Tensor]:
        """Runs the teacher without gradients.

        Args:
            images: The student's crops, (N, 3, h, w), normalized.
            preprocess: Their normalization; the teacher's own replaces it.

        Returns:
            Logits over the student's classes, (N, classes), and penultimate features, (N, C'); both float32.
        """

        def channel(values: tuple[float, ...]) -> Tensor:
            return torch.tensor(values, device=images.device).view(-1, 1, 1)

        pixels = images * channel(preprocess.std) + channel(preprocess.mean)
        own = (pixels - channel(self.preprocess.mean)) / channel(self.preprocess.std)
        with torch.no_grad(), Capture(self.network, (), inputs=(self._classifier,)) as capture:
            logits = self.network(own).float()
        return logits[:, self.classes], capture.inputs[self._classifier].float()


class SelfTeacher:
    """The network of a gate tuning with inactive gates, frozen.

    Args:
        network: The network; it is copied.
        device: Where it runs.
        blocks: Names of the modules whose outputs are targets; None: of the blocks with SGE.

    Raises:
        ChoiceError: The network has no such module.
    """

    def __init__(self, network: nn.Module, device: torch.device, blocks: Sequence[str] | None = None) -> None:
        self.digest = digest(network.state_dict(), {})
        """Hash of its weights."""
        self.network = copy.deepcopy(network).eval().requires_grad_(False).to(device)
        self._blocks = tuple(sge_blocks(network) if blocks is None else blocks)
        modules = dict(network.named_modules())
        if missing := [name for name in self._blocks if name not in modules]:
            raise ChoiceError(
                f"The teacher has no module {missing[0]}, whose output is compared. Give the same network with inactive "
                "gates."
            )
        self.memory_format = fast_format(network)
        """Of its images."""

    def __call__(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Runs the teacher without gradients.

        Args:
            images: (N, 3, h, w), normalized.

        Returns:
            Logits (N, classes), and by block its output, (N, C, h, w).
        """
        with torch.no_grad(), Capture(self.network, (), outputs=self._blocks) as capture:
            logits = self.network(images).float()
        return logits, {name: capture.outputs[name] for name in self._blocks}


@dataclass(frozen=True)
class MapTeacher:
    """A teacher whose logits and similarity at each position of each image were computed once and stored."""

    maps: TeacherMaps
    grids: dict[str, TargetGrid]
    """By the student's block: the teacher's block and the stride of the targets."""
    digest: str
    """Hash of the teacher's weights."""


def any_teacher(name: str) -> Model:
    """Loads a classifier by a name of the registry, ``timm:NAME``, ``torchvision:NAME``, or a weights file.

    A bare name is looked up in the registry, then in torchvision, then in timm. The last two download weights.

    Raises:
        UnknownModelError: No model has this name.
        CheckpointError: The file cannot be used, or the weights cannot be downloaded.
    """
    kind, _, rest = name.rpartition(":")
    if kind not in ("", "timm", "torchvision") or (
        not kind and (name in model_names() or os.path.isfile(name))
    ):
        return load_torch_model(name, finder=False)
    try:
        if kind != "timm" and rest in torchvision.models.list_models(torchvision.models):
            return _from_torchvision(rest)
        if kind != "torchvision" and timm.is_model_pretrained(rest):
            return _from_timm(rest)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"The weights of {rest} cannot be downloaded ({type(error).__name__}: {error}). Connect to the internet, or "
            "name a weights file."
        ) from error
    raise UnknownModelError(
        f"There is no teacher {name!r}. Name one of {', '.join(model_names())}, a weights file, or a classifier of "
        "torchvision or timm."
    )


def _from_torchvision(name: str) -> Model:
    weights = torchvision.models.get_model_weights(name).DEFAULT
    transforms = weights.transforms()
    preprocess = Preprocess(mean=tuple(transforms.mean), std=tuple(transforms.std))
    network = torchvision.models.get_model(name, weights=weights)
    return Model(name, network, list(weights.meta["categories"]), _card(name), preprocess, name)


def _from_timm(name: str) -> Model:
    network = timm.create_model(name, pretrained=True)
    if (classes := getattr(network, "num_classes", None)) != IMAGENET_CLASSES:
        raise ChoiceError(
            f"{name} has {classes} classes, and not the {IMAGENET_CLASSES} of ImageNet, whose labels are known. Choose a "
            "tag of timm that ends in in1k."
        )
    config: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]
    preprocess = Preprocess(mean=tuple(config["mean"]), std=tuple(config["std"]))
    return Model(name, network, imagenet_labels(), _card(name), preprocess, name)


def _card(name: str) -> Card:
    return Card(title=name, sentence="A teacher.")
